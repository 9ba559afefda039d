//! Every SQL statement on training events, their sessions and history, enrolments and attendance.
mod attendance;
mod certificates;
mod enrolments;
mod events;
mod invitations;
mod seats;

pub use attendance::{AttendanceRow, attendance, attended, record_attendance, sheet};
pub use certificates::{
    Certificate, Certified, Checked, certificates, certified, check, end_certificate, find_certificate, issue,
    lock_certificate, next_serial, taken_back, valid_of,
};
pub use enrolments::{
    Enrolment, Participant, Taken, count_participants, enrol, enrolled, events_of, find_enrolment, hold_events,
    lock_enrolments, of_volunteer, open_seats, passed, publish_enrolment, publish_seat, reassign, save_enrolment,
    take_part, takers,
};
pub use events::{
    EventHistoryRow, Session, TrainingEvent, Wanted, add_history, count, create, event_of, find, find_create, history,
    is_empty, list, lock, lock_of_enrolment, publish, replace_sessions, save, seen, sessions,
};
pub use invitations::{Invitation, add_invitations, invitations, is_invited, remove_invitations, seats_by_village};
pub use seats::{
    OtherSeat, SeatAhead, SeatHistoryRow, Waiting, add_seat_history, free_seats, places, seat_history, seats_ahead,
    seats_at_the_time, waiting,
};
