// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "xid8", schema = "pg_catalog"))]
    pub struct Xid8;
}

diesel::table! {
    access_state (client_id) {
        client_id -> Uuid,
        client_kind -> Text,
        agency_id -> Uuid,
        agency_kind -> Text,
        active -> Bool,
        token_epoch -> Int4,
        scopes -> Array<Text>,
        purpose -> Text,
        volunteer_id -> Nullable<Uuid>,
        region_codes -> Array<Text>,
        child_agency_ids -> Array<Uuid>,
        expires_at -> Nullable<Timestamptz>,
        networks -> Array<Text>,
        rate_limit -> Nullable<Int4>,
        parent_agency_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    agencies (id) {
        id -> Uuid,
        kind -> Text,
        name -> Text,
        parent_id -> Nullable<Uuid>,
        region_codes -> Array<Text>,
        state -> Text,
        scopes -> Array<Text>,
        token_epoch -> Int4,
        version -> Int4,
        created_by -> Nullable<Uuid>,
        create_request -> Nullable<Bytea>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        rate_limit -> Nullable<Int4>,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Uuid,
        at -> Timestamptz,
        action -> Text,
        outcome -> Text,
        request_id -> Uuid,
        agency_id -> Nullable<Uuid>,
        client_id -> Nullable<Uuid>,
        acting_user -> Nullable<Text>,
        volunteer_id -> Nullable<Uuid>,
        purpose -> Nullable<Text>,
        subject_type -> Nullable<Text>,
        subject_ids -> Array<Uuid>,
        person_ids -> Array<Uuid>,
        fields -> Array<Text>,
        detail -> Nullable<Text>,
        region_codes -> Array<Text>,
        subject_regions -> Array<Text>,
    }
}

diesel::table! {
    case_distinctions (case_id, other_id) {
        case_id -> Uuid,
        other_id -> Uuid,
        reason -> Text,
        list -> Text,
        at -> Timestamptz,
        agency_id -> Uuid,
        client_id -> Uuid,
    }
}

diesel::table! {
    case_documents (id) {
        id -> Uuid,
        case_id -> Uuid,
        referral_id -> Nullable<Uuid>,
        kind -> Text,
        content_type -> Text,
        size -> Int4,
        sha256 -> Bytea,
        state -> Text,
        state_since -> Timestamptz,
        created_at -> Timestamptz,
        created_by -> Uuid,
        volunteer_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    case_history (id) {
        id -> Uuid,
        case_id -> Uuid,
        at -> Timestamptz,
        action -> Text,
        from_state -> Nullable<Text>,
        to_state -> Text,
        agency_id -> Uuid,
        client_id -> Uuid,
        acting_user -> Nullable<Text>,
        volunteer_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    case_numbers (regency_code, year) {
        regency_code -> Text,
        year -> Int2,
        last -> Int4,
    }
}

diesel::table! {
    case_people (id) {
        id -> Uuid,
        case_id -> Uuid,
        name -> Text,
        sex -> Nullable<Text>,
        birth_date -> Nullable<Date>,
        age_estimate -> Nullable<Int2>,
        age_estimated_on -> Nullable<Date>,
        nik_status -> Text,
        nik -> Nullable<Bytea>,
        nik_index -> Nullable<Bytea>,
        nik_last_four -> Nullable<Text>,
        kk -> Nullable<Bytea>,
        kk_index -> Nullable<Bytea>,
        kk_last_four -> Nullable<Text>,
        card -> Nullable<Bytea>,
        card_index -> Nullable<Bytea>,
        card_last_four -> Nullable<Text>,
        address -> Nullable<Text>,
        phone -> Nullable<Text>,
        guardian_name -> Nullable<Text>,
        guardian_phone -> Nullable<Text>,
        communication_need -> Nullable<Text>,
        need -> Text,
        age_band -> Nullable<Text>,
        guardian_relation -> Nullable<Text>,
        contact_name -> Nullable<Text>,
        contact_phone -> Nullable<Text>,
        contact_relation -> Nullable<Text>,
        regency_code -> Nullable<Text>,
        name_key -> Nullable<Text>,
        name_version -> Int2,
    }
}

diesel::table! {
    case_references (agency_id, reference) {
        agency_id -> Uuid,
        reference -> Text,
        case_id -> Uuid,
        request -> Bytea,
    }
}

diesel::table! {
    cases (id) {
        id -> Uuid,
        number -> Text,
        state -> Text,
        province_code -> Text,
        regency_code -> Text,
        district_code -> Text,
        village_code -> Text,
        reporter_agency_id -> Uuid,
        volunteer_id -> Nullable<Uuid>,
        ppks -> Array<Text>,
        sensitive -> Bool,
        service_field -> Nullable<Text>,
        service_field_list -> Text,
        sector -> Nullable<Text>,
        sector_list -> Text,
        urgency -> Text,
        lawful_basis -> Text,
        consent_by -> Nullable<Text>,
        consent_on -> Nullable<Date>,
        outcome -> Nullable<Text>,
        outcome_list -> Text,
        closed_at -> Nullable<Timestamptz>,
        state_since -> Timestamptz,
        state_agency_id -> Uuid,
        version -> Int4,
        created_by -> Uuid,
        create_request -> Bytea,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        do_not_contact -> Bool,
        consent_relation -> Nullable<Text>,
        consent_method -> Nullable<Text>,
        consent_withdrawn_on -> Nullable<Date>,
        recorded_at -> Nullable<Timestamptz>,
        consent_evidence_ids -> Array<Uuid>,
    }
}

diesel::table! {
    certificate_numbers (organiser_id, year) {
        organiser_id -> Uuid,
        year -> Int2,
        last -> Int4,
    }
}

diesel::table! {
    certificates (id) {
        id -> Uuid,
        number -> Text,
        enrolment_id -> Uuid,
        organiser_id -> Uuid,
        year -> Int2,
        serial -> Int4,
        level -> Text,
        issued_on -> Date,
        valid_until -> Nullable<Date>,
        earlier_number -> Nullable<Text>,
        signatory_name -> Nullable<Text>,
        signatory_position -> Nullable<Text>,
        state -> Text,
        state_since -> Timestamptz,
        state_by -> Uuid,
        reason -> Nullable<Text>,
        list -> Nullable<Text>,
        note -> Nullable<Text>,
        replaces -> Nullable<Uuid>,
        version -> Int4,
        issued_at -> Timestamptz,
        issued_by -> Uuid,
        acting_user -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::Xid8;

    changes (seq) {
        seq -> Int8,
        xid -> Xid8,
        generation -> Uuid,
        at -> Timestamptz,
        entity_type -> Text,
        entity_id -> Uuid,
        version -> Int4,
        op -> Text,
        redirected_to -> Nullable<Uuid>,
        scope -> Text,
        agencies_before -> Array<Uuid>,
        agencies_after -> Array<Uuid>,
        regions_before -> Array<Text>,
        regions_after -> Array<Text>,
        volunteers_before -> Array<Uuid>,
        volunteers_after -> Array<Uuid>,
        below_before -> Array<Text>,
        below_after -> Array<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::Xid8;

    changes_swept (only_row) {
        only_row -> Bool,
        xid -> Xid8,
        seq -> Int8,
    }
}

diesel::table! {
    client_assertions (client_id, jti_hash) {
        client_id -> Uuid,
        jti_hash -> Bytea,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    client_keys (id) {
        id -> Uuid,
        client_id -> Uuid,
        kid -> Text,
        jwk -> Jsonb,
        created_at -> Timestamptz,
        removed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    client_secrets (id) {
        id -> Uuid,
        client_id -> Uuid,
        secret_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    clients (id) {
        id -> Uuid,
        agency_id -> Uuid,
        kind -> Text,
        name -> Text,
        purpose -> Text,
        scopes -> Array<Text>,
        volunteer_id -> Nullable<Uuid>,
        state -> Text,
        token_epoch -> Int4,
        expires_at -> Nullable<Timestamptz>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        networks -> Array<Text>,
        state_reason -> Nullable<Text>,
        reason_list -> Nullable<Text>,
        created_by -> Nullable<Uuid>,
        create_request -> Nullable<Bytea>,
    }
}

diesel::table! {
    code_lists (name) {
        name -> Text,
        label_id -> Text,
        label_en -> Text,
    }
}

diesel::table! {
    codes (list, code) {
        list -> Text,
        code -> Text,
        label_id -> Text,
        label_en -> Text,
        position -> Int2,
        group_code -> Nullable<Text>,
        sensitive -> Bool,
        needs_text -> Bool,
        valid_from -> Date,
        valid_until -> Nullable<Date>,
    }
}

diesel::table! {
    coverage_figures (id) {
        id -> Int8,
        village_code -> Text,
        active -> Int4,
        folded -> Bool,
    }
}

diesel::table! {
    holidays (id) {
        id -> Int8,
        day -> Date,
        region_code -> Nullable<Text>,
        name -> Text,
        kind -> Text,
    }
}

diesel::table! {
    idempotency_keys (agency_id, client_id, key) {
        agency_id -> Uuid,
        client_id -> Uuid,
        key -> Text,
        request -> Bytea,
        answer -> Bytea,
        subjects -> Array<Uuid>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    import_chunks (import_id, position) {
        import_id -> Uuid,
        position -> Int4,
        todo -> Nullable<Text>,
        sealed -> Nullable<Bytea>,
        row_count -> Int4,
        ready -> Int4,
        faulty -> Int4,
        duplicate -> Int4,
        applied -> Int4,
        attempts -> Int4,
        not_before -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    import_rows (import_id, number) {
        import_id -> Uuid,
        number -> Int4,
        position -> Int4,
        state -> Text,
        errors -> Jsonb,
        warnings -> Jsonb,
        volunteer_id -> Nullable<Uuid>,
        candidates -> Array<Uuid>,
        override_reason -> Nullable<Text>,
        override_list -> Nullable<Text>,
    }
}

diesel::table! {
    imports (id) {
        id -> Uuid,
        agency_id -> Uuid,
        client_id -> Uuid,
        acting_user -> Nullable<Text>,
        request_id -> Uuid,
        state -> Text,
        failure -> Nullable<Text>,
        format -> Text,
        size -> Int4,
        digest -> Bytea,
        header_row -> Int4,
        layout -> Jsonb,
        other_sheets -> Int4,
        row_count -> Int4,
        selected -> Nullable<Array<Int4>>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        validated_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        expired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    installation (only_row) {
        only_row -> Bool,
        generation -> Uuid,
        demo -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    merged_rows (merge_id, entity, row_id) {
        merge_id -> Uuid,
        entity -> Text,
        row_id -> Uuid,
    }
}

diesel::table! {
    name_words (written, word) {
        written -> Bool,
        word -> Text,
        checked_at -> Timestamptz,
    }
}

diesel::table! {
    phone_codes (id) {
        id -> Uuid,
        volunteer_id -> Uuid,
        agency_id -> Uuid,
        code_index -> Bytea,
        created_at -> Timestamptz,
        created_by -> Uuid,
        acting_user -> Nullable<Text>,
        expires_at -> Timestamptz,
        client_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    referral_comment_texts (comment_id) {
        comment_id -> Uuid,
        text -> Text,
    }
}

diesel::table! {
    referral_comments (id) {
        id -> Uuid,
        referral_id -> Uuid,
        kind -> Text,
        side -> Text,
        answers -> Nullable<Uuid>,
        answered_by_id -> Nullable<Uuid>,
        answered_at -> Nullable<Timestamptz>,
        agency_id -> Uuid,
        client_id -> Uuid,
        acting_user -> Nullable<Text>,
        volunteer_id -> Nullable<Uuid>,
        create_request -> Bytea,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    referral_counts (id) {
        id -> Int8,
        month -> Date,
        province_code -> Text,
        regency_code -> Text,
        district_code -> Text,
        village_code -> Text,
        reporter_agency_id -> Uuid,
        volunteer_id -> Nullable<Uuid>,
        sender_agency_id -> Uuid,
        receiver_agency_id -> Uuid,
        service -> Text,
        status -> Text,
        sensitive -> Bool,
        count -> Int4,
        folded -> Bool,
    }
}

diesel::table! {
    referral_details (referral_id) {
        referral_id -> Uuid,
        sealed -> Bytea,
        numbers -> Array<Bytea>,
    }
}

diesel::table! {
    referral_history (id) {
        id -> Uuid,
        referral_id -> Uuid,
        at -> Timestamptz,
        action -> Text,
        from_status -> Nullable<Text>,
        to_status -> Text,
        agency_id -> Nullable<Uuid>,
        client_id -> Nullable<Uuid>,
        acting_user -> Nullable<Text>,
        volunteer_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    referral_notes (history_id) {
        history_id -> Uuid,
        note -> Text,
    }
}

diesel::table! {
    referrals (id) {
        id -> Uuid,
        case_id -> Uuid,
        province_code -> Text,
        regency_code -> Text,
        district_code -> Text,
        village_code -> Text,
        reporter_agency_id -> Uuid,
        volunteer_id -> Nullable<Uuid>,
        sensitive -> Bool,
        sender_agency_id -> Uuid,
        receiver_agency_id -> Uuid,
        handler_agency_id -> Nullable<Uuid>,
        service -> Text,
        service_list -> Text,
        urgency -> Text,
        month -> Date,
        status -> Text,
        status_since -> Timestamptz,
        status_agency_id -> Nullable<Uuid>,
        held_from -> Nullable<Text>,
        hold_reason -> Nullable<Text>,
        hold_review_on -> Nullable<Date>,
        ended_from -> Nullable<Text>,
        reason_list -> Nullable<Text>,
        reason -> Nullable<Text>,
        outcome -> Nullable<Text>,
        outcome_list -> Text,
        served_on -> Nullable<Date>,
        partner_reference -> Nullable<Text>,
        due_on -> Nullable<Date>,
        appointment_at -> Nullable<Timestamptz>,
        forwarded_by -> Nullable<Uuid>,
        previous_referral_id -> Nullable<Uuid>,
        chain -> Array<Uuid>,
        expires_at -> Nullable<Timestamptz>,
        version -> Int4,
        created_by -> Uuid,
        create_request -> Bytea,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        pool_agency_ids -> Array<Uuid>,
        acknowledge_by -> Nullable<Timestamptz>,
        answer_by -> Nullable<Timestamptz>,
        complete_by -> Nullable<Timestamptz>,
        remind_at -> Nullable<Timestamptz>,
        escalate_2_at -> Nullable<Timestamptz>,
        escalate_3_at -> Nullable<Timestamptz>,
        tick_at -> Nullable<Timestamptz>,
        reminders -> Int2,
        escalation_level -> Int2,
        escalated_at -> Nullable<Timestamptz>,
        due_at -> Nullable<Timestamptz>,
        restricted -> Bool,
        comments -> Int4,
        questions_to_sender -> Nullable<Int2>,
        questions_to_receiver -> Nullable<Int2>,
        claimable -> Bool,
    }
}

diesel::table! {
    region_successors (old_code, new_code) {
        old_code -> Text,
        new_code -> Text,
    }
}

diesel::table! {
    regions (code) {
        code -> Text,
        name -> Text,
        folded_name -> Text,
        level -> Text,
        kind -> Text,
        parent_code -> Nullable<Text>,
        province_code -> Text,
        regency_code -> Nullable<Text>,
        district_code -> Nullable<Text>,
        postal_code -> Nullable<Text>,
        last_listed -> Nullable<Int2>,
        time_zone -> Text,
    }
}

diesel::table! {
    revoked_tokens (jti) {
        jti -> Uuid,
        client_id -> Uuid,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    service_forms (service) {
        service -> Text,
        list -> Nullable<Text>,
        fields_schema -> Jsonb,
    }
}

diesel::table! {
    source_system_services (agency_id, service) {
        agency_id -> Uuid,
        service -> Text,
        list -> Nullable<Text>,
        acknowledge_urgent_minutes -> Nullable<Int4>,
        acknowledge_days -> Nullable<Int2>,
        answer_urgent_days -> Nullable<Int2>,
        answer_days -> Nullable<Int2>,
        complete_urgent_days -> Nullable<Int2>,
        complete_days -> Nullable<Int2>,
        capacity_note -> Nullable<Text>,
        fields_schema -> Nullable<Jsonb>,
    }
}

diesel::table! {
    source_systems (agency_id) {
        agency_id -> Uuid,
        may_forward -> Bool,
        region_codes -> Array<Text>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        open_to_branches -> Bool,
        time_zone -> Text,
        working_days -> Array<Int2>,
        opens_at -> Time,
        closes_at -> Time,
        capacity_note -> Nullable<Text>,
    }
}

diesel::table! {
    training_attendance (event_id, volunteer_id, session) {
        event_id -> Uuid,
        session -> Int2,
        volunteer_id -> Uuid,
        present -> Bool,
        device_at -> Nullable<Timestamptz>,
        noted_at -> Timestamptz,
        recorded_at -> Timestamptz,
        recorded_by -> Uuid,
        acting_user -> Nullable<Text>,
    }
}

diesel::table! {
    training_enrolment_history (id) {
        id -> Uuid,
        enrolment_id -> Uuid,
        at -> Timestamptz,
        action -> Text,
        session -> Nullable<Int2>,
        present -> Nullable<Bool>,
        device_at -> Nullable<Timestamptz>,
        from_result -> Nullable<Text>,
        to_result -> Nullable<Text>,
        score -> Nullable<Int2>,
        reason -> Nullable<Text>,
        list -> Nullable<Text>,
        note -> Nullable<Text>,
        agency_id -> Uuid,
        acting_user -> Nullable<Text>,
        certificate_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    training_enrolments (id) {
        id -> Uuid,
        event_id -> Uuid,
        volunteer_id -> Uuid,
        state -> Text,
        state_since -> Timestamptz,
        state_by -> Uuid,
        result -> Nullable<Text>,
        result_at -> Nullable<Timestamptz>,
        result_by -> Nullable<Uuid>,
        result_acting_user -> Nullable<Text>,
        version -> Int4,
        created_at -> Timestamptz,
        place -> Nullable<Int4>,
        waiver_reason -> Nullable<Text>,
        list -> Nullable<Text>,
        waiver_note -> Nullable<Text>,
        score -> Nullable<Int2>,
        attended -> Int2,
    }
}

diesel::table! {
    training_event_history (id) {
        id -> Uuid,
        event_id -> Uuid,
        at -> Timestamptz,
        action -> Text,
        from_state -> Nullable<Text>,
        to_state -> Text,
        agency_id -> Uuid,
        acting_user -> Nullable<Text>,
        reason -> Nullable<Text>,
        list -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    training_events (id) {
        id -> Uuid,
        organiser_id -> Uuid,
        organiser_region_code -> Text,
        level -> Text,
        title -> Text,
        region_code -> Text,
        province_code -> Text,
        regency_code -> Nullable<Text>,
        district_code -> Nullable<Text>,
        village_code -> Nullable<Text>,
        venue -> Text,
        speaker_agencies -> Array<Text>,
        capacity -> Int4,
        seats_taken -> Int4,
        enrolment_opens_at -> Nullable<Timestamptz>,
        enrolment_closes_at -> Nullable<Timestamptz>,
        starts_at -> Timestamptz,
        ends_at -> Timestamptz,
        state -> Text,
        state_since -> Timestamptz,
        state_by -> Uuid,
        reason -> Nullable<Text>,
        list -> Nullable<Text>,
        note -> Nullable<Text>,
        version -> Int4,
        created_by -> Nullable<Uuid>,
        create_request -> Nullable<Bytea>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        updated_by -> Uuid,
        waiting -> Int4,
        last_place -> Int4,
        speakers -> Jsonb,
        materials -> Jsonb,
        cost_source -> Nullable<Text>,
        cost_list -> Nullable<Text>,
        cost_note -> Nullable<Text>,
        by_invitation -> Bool,
        year -> Int2,
        sessions -> Int2,
    }
}

diesel::table! {
    training_invitations (event_id, village_code) {
        event_id -> Uuid,
        village_code -> Text,
        invited_at -> Timestamptz,
        invited_by -> Uuid,
        acting_user -> Nullable<Text>,
    }
}

diesel::table! {
    training_sessions (event_id, number) {
        event_id -> Uuid,
        number -> Int2,
        starts_at -> Timestamptz,
        ends_at -> Timestamptz,
        topic -> Nullable<Text>,
    }
}

diesel::table! {
    volunteer_documents (id) {
        id -> Uuid,
        volunteer_id -> Uuid,
        kind -> Text,
        content_type -> Text,
        size -> Int4,
        sha256 -> Bytea,
        state -> Text,
        state_since -> Timestamptz,
        created_at -> Timestamptz,
        created_by -> Uuid,
    }
}

diesel::table! {
    volunteer_figures (id) {
        id -> Int8,
        region_code -> Text,
        parent_code -> Nullable<Text>,
        status -> Text,
        level -> Text,
        sex -> Text,
        count -> Int4,
        folded -> Bool,
    }
}

diesel::table! {
    volunteer_history (id) {
        id -> Uuid,
        volunteer_id -> Uuid,
        at -> Timestamptz,
        action -> Text,
        from_status -> Nullable<Text>,
        to_status -> Text,
        effective_on -> Date,
        agency_id -> Uuid,
        acting_user -> Nullable<Text>,
        reason -> Nullable<Text>,
        list -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    volunteer_merges (id) {
        id -> Uuid,
        survivor_id -> Uuid,
        duplicate_id -> Uuid,
        at -> Timestamptz,
        agency_id -> Uuid,
        acting_user -> Nullable<Text>,
        reason -> Text,
        list -> Nullable<Text>,
        filled -> Array<Text>,
        undone_at -> Nullable<Timestamptz>,
        undone_by -> Nullable<Uuid>,
        nik_status_before -> Nullable<Text>,
    }
}

diesel::table! {
    volunteer_people (volunteer_id) {
        volunteer_id -> Uuid,
        name -> Text,
        folded_name -> Text,
        birth_date -> Nullable<Date>,
        birth_place -> Nullable<Text>,
        address -> Nullable<Text>,
        phone -> Nullable<Text>,
        email -> Nullable<Text>,
        education -> Nullable<Text>,
        occupation -> Nullable<Text>,
        member_number -> Nullable<Text>,
        certificate_number -> Nullable<Text>,
        certificate_organiser -> Nullable<Text>,
        certificate_date -> Nullable<Date>,
        nik_status -> Text,
        nik -> Nullable<Bytea>,
        nik_index -> Nullable<Bytea>,
        nik_last_four -> Nullable<Text>,
        nik_warnings -> Array<Text>,
        identity_state -> Text,
        search_words -> Array<Text>,
        search_version -> Int2,
        search_tokens -> Array<Text>,
        disputed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    volunteer_postings (id) {
        id -> Uuid,
        volunteer_id -> Uuid,
        village_code -> Text,
        valid_from -> Date,
        valid_until -> Nullable<Date>,
        posted_by -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    volunteers (id) {
        id -> Uuid,
        status -> Text,
        status_since -> Timestamptz,
        status_by -> Uuid,
        effective_on -> Date,
        ended_from -> Nullable<Text>,
        level -> Text,
        sex -> Nullable<Text>,
        province_code -> Text,
        regency_code -> Text,
        district_code -> Text,
        village_code -> Text,
        functions -> Array<Text>,
        appointed_year -> Nullable<Int2>,
        sk_number -> Nullable<Text>,
        sk_date -> Nullable<Date>,
        sk_official -> Nullable<Text>,
        version -> Int4,
        created_by -> Nullable<Uuid>,
        create_request -> Nullable<Bytea>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        updated_by -> Uuid,
        posted_on -> Nullable<Date>,
        supervisor_kind -> Nullable<Text>,
        supervisor_agency_id -> Nullable<Uuid>,
        supervisor_officer -> Nullable<Text>,
        supervisor_since -> Nullable<Date>,
        merged_into -> Nullable<Uuid>,
        merged_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(case_documents -> agencies (created_by));
diesel::joinable!(case_documents -> cases (case_id));
diesel::joinable!(case_documents -> referrals (referral_id));
diesel::joinable!(case_history -> cases (case_id));
diesel::joinable!(case_numbers -> regions (regency_code));
diesel::joinable!(case_people -> cases (case_id));
diesel::joinable!(case_references -> agencies (agency_id));
diesel::joinable!(case_references -> cases (case_id));
diesel::joinable!(cases -> regions (village_code));
diesel::joinable!(cases -> volunteers (volunteer_id));
diesel::joinable!(certificate_numbers -> agencies (organiser_id));
diesel::joinable!(certificates -> agencies (organiser_id));
diesel::joinable!(certificates -> training_enrolments (enrolment_id));
diesel::joinable!(client_assertions -> clients (client_id));
diesel::joinable!(client_keys -> clients (client_id));
diesel::joinable!(client_secrets -> clients (client_id));
diesel::joinable!(clients -> agencies (agency_id));
diesel::joinable!(clients -> volunteers (volunteer_id));
diesel::joinable!(codes -> code_lists (list));
diesel::joinable!(holidays -> regions (region_code));
diesel::joinable!(import_chunks -> imports (import_id));
diesel::joinable!(import_rows -> imports (import_id));
diesel::joinable!(imports -> agencies (agency_id));
diesel::joinable!(merged_rows -> volunteer_merges (merge_id));
diesel::joinable!(phone_codes -> agencies (agency_id));
diesel::joinable!(phone_codes -> volunteers (volunteer_id));
diesel::joinable!(referral_comment_texts -> referral_comments (comment_id));
diesel::joinable!(referral_comments -> agencies (agency_id));
diesel::joinable!(referral_comments -> referrals (referral_id));
diesel::joinable!(referral_details -> referrals (referral_id));
diesel::joinable!(referral_history -> agencies (agency_id));
diesel::joinable!(referral_history -> referrals (referral_id));
diesel::joinable!(referral_notes -> referral_history (history_id));
diesel::joinable!(referrals -> cases (case_id));
diesel::joinable!(referrals -> regions (village_code));
diesel::joinable!(referrals -> source_systems (receiver_agency_id));
diesel::joinable!(referrals -> volunteers (volunteer_id));
diesel::joinable!(source_system_services -> source_systems (agency_id));
diesel::joinable!(source_systems -> agencies (agency_id));
diesel::joinable!(training_enrolment_history -> certificates (certificate_id));
diesel::joinable!(training_enrolment_history -> training_enrolments (enrolment_id));
diesel::joinable!(training_enrolments -> training_events (event_id));
diesel::joinable!(training_enrolments -> volunteers (volunteer_id));
diesel::joinable!(training_event_history -> training_events (event_id));
diesel::joinable!(training_events -> agencies (organiser_id));
diesel::joinable!(training_invitations -> regions (village_code));
diesel::joinable!(training_invitations -> training_events (event_id));
diesel::joinable!(training_sessions -> training_events (event_id));
diesel::joinable!(volunteer_documents -> agencies (created_by));
diesel::joinable!(volunteer_documents -> volunteers (volunteer_id));
diesel::joinable!(volunteer_history -> volunteers (volunteer_id));
diesel::joinable!(volunteer_people -> volunteers (volunteer_id));
diesel::joinable!(volunteer_postings -> regions (village_code));
diesel::joinable!(volunteer_postings -> volunteers (volunteer_id));
diesel::joinable!(volunteers -> agencies (supervisor_agency_id));
diesel::joinable!(volunteers -> regions (village_code));

diesel::allow_tables_to_appear_in_same_query!(
    access_state,
    agencies,
    audit_events,
    case_distinctions,
    case_documents,
    case_history,
    case_numbers,
    case_people,
    case_references,
    cases,
    certificate_numbers,
    certificates,
    changes,
    changes_swept,
    client_assertions,
    client_keys,
    client_secrets,
    clients,
    code_lists,
    codes,
    coverage_figures,
    holidays,
    idempotency_keys,
    import_chunks,
    import_rows,
    imports,
    installation,
    merged_rows,
    name_words,
    phone_codes,
    referral_comment_texts,
    referral_comments,
    referral_counts,
    referral_details,
    referral_history,
    referral_notes,
    referrals,
    region_successors,
    regions,
    revoked_tokens,
    service_forms,
    source_system_services,
    source_systems,
    training_attendance,
    training_enrolment_history,
    training_enrolments,
    training_event_history,
    training_events,
    training_invitations,
    training_sessions,
    volunteer_documents,
    volunteer_figures,
    volunteer_history,
    volunteer_merges,
    volunteer_people,
    volunteer_postings,
    volunteers,
);
