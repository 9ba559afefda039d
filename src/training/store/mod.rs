//! Every SQL statement on training events, their sessions and history, enrolments and attendance.
mod attendance;
mod enrolments;
mod events;

pub use attendance::{AttendanceRow, attendance, attended, record_attendance};
pub use enrolments::{
    Enrolment, Participant, Taken, count_participants, enrol, enrolled, events_of, find_enrolment, hold_events,
    lock_enrolments, of_volunteer, open_seats, passed, publish_enrolment, publish_seat, reassign, save_enrolment,
    take_part, takers,
};
pub use events::{
    EventHistoryRow, Session, TrainingEvent, Wanted, add_history, count, create, find, find_create, history, is_empty,
    list, lock, lock_of_enrolment, publish, replace_sessions, save, sessions,
};
