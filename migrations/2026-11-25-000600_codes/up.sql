-- Code lists: words that regulations and offices change, with labels and validity. What the code decides by (states,
-- actions, kinds) are enums in Rust and CHECKs instead.
SET lock_timeout = '2s';

CREATE TABLE code_lists (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z-]*$'),
    label_id text NOT NULL,
    label_en text NOT NULL
);
CREATE TABLE codes (
    list text NOT NULL REFERENCES code_lists,
    code text NOT NULL CHECK (code ~ '^[A-Za-z0-9_-]{1,40}$'),
    label_id text NOT NULL,
    label_en text NOT NULL,
    position smallint NOT NULL,
    -- Codes that belong together, such as the child categories.
    group_code text,
    -- Specific personal data (UU 27/2022 art. 4(2), UU 24/2013 art. 84).
    sensitive boolean NOT NULL DEFAULT false,
    -- Must be explained in words.
    needs_text boolean NOT NULL DEFAULT false,
    valid_from date NOT NULL DEFAULT '2012-01-01',
    valid_until date,
    PRIMARY KEY (list, code),
    CHECK (valid_until > valid_from)
);
COMMENT ON COLUMN codes.valid_until IS 'First day on which it is no longer given; null = valid.';

INSERT INTO code_lists (name, label_id, label_en) VALUES
    ('ppks', 'Pemerlu Pelayanan Kesejahteraan Sosial (Permensos 8/2012)', 'People who need social services (Permensos 8/2012)'),
    ('services', 'Layanan sistem sumber', 'Services of source systems'),
    ('service-fields', 'Bidang layanan (PP 39/2012)', 'Service fields (PP 39/2012)'),
    ('sectors', 'Sektor (SLRT)', 'Sectors (SLRT)'),
    ('referral-outcomes', 'Hasil rujukan', 'Outcomes of referrals'),
    ('decline-reasons', 'Alasan penolakan', 'Reasons for declining'),
    ('psm-functions', 'Fungsi PSM', 'Functions of a volunteer');

INSERT INTO codes (list, code, position, group_code, sensitive, label_id, label_en) VALUES
    ('ppks', 'PPKS-01', 1, 'child', true, 'Anak Balita Terlantar', 'Neglected child under five'),
    ('ppks', 'PPKS-02', 2, 'child', true, 'Anak Terlantar', 'Neglected child'),
    ('ppks', 'PPKS-03', 3, 'child', true, 'Anak yang Berhadapan dengan Hukum', 'Child in conflict with the law'),
    ('ppks', 'PPKS-04', 4, 'child', true, 'Anak Jalanan', 'Street child'),
    ('ppks', 'PPKS-05', 5, 'child', true, 'Anak dengan Kedisabilitasan', 'Child with a disability'),
    ('ppks', 'PPKS-06', 6, 'child', true, 'Anak yang Menjadi Korban Tindak Kekerasan atau Diperlakukan Salah', 'Child who suffered violence or maltreatment'),
    ('ppks', 'PPKS-07', 7, 'child', true, 'Anak yang Memerlukan Perlindungan Khusus', 'Child in need of special protection'),
    ('ppks', 'PPKS-08', 8, 'elderly', false, 'Lanjut Usia Terlantar', 'Neglected elder'),
    ('ppks', 'PPKS-09', 9, 'disability', true, 'Penyandang Disabilitas', 'Person with a disability'),
    ('ppks', 'PPKS-10', 10, 'social', true, 'Tuna Susila', 'Sex worker'),
    ('ppks', 'PPKS-11', 11, 'social', false, 'Gelandangan', 'Homeless person'),
    ('ppks', 'PPKS-12', 12, 'social', false, 'Pengemis', 'Beggar'),
    ('ppks', 'PPKS-13', 13, 'social', false, 'Pemulung', 'Waste picker'),
    ('ppks', 'PPKS-14', 14, 'social', true, 'Kelompok Minoritas', 'Member of a minority'),
    ('ppks', 'PPKS-15', 15, 'social', true, 'Bekas Warga Binaan Lembaga Pemasyarakatan', 'Former prisoner'),
    ('ppks', 'PPKS-16', 16, 'health', true, 'Orang dengan HIV/AIDS', 'Person with HIV/AIDS'),
    ('ppks', 'PPKS-17', 17, 'health', true, 'Korban Penyalahgunaan NAPZA', 'Victim of substance abuse'),
    ('ppks', 'PPKS-18', 18, 'victim', true, 'Korban Trafficking', 'Victim of trafficking'),
    ('ppks', 'PPKS-19', 19, 'victim', true, 'Korban Tindak Kekerasan', 'Victim of violence'),
    ('ppks', 'PPKS-20', 20, 'victim', false, 'Pekerja Migran Bermasalah Sosial', 'Migrant worker in social difficulty'),
    ('ppks', 'PPKS-21', 21, 'disaster', false, 'Korban Bencana Alam', 'Victim of a natural disaster'),
    ('ppks', 'PPKS-22', 22, 'disaster', false, 'Korban Bencana Sosial', 'Victim of a social disaster'),
    ('ppks', 'PPKS-23', 23, 'economic', false, 'Perempuan Rawan Sosial Ekonomi', 'Woman in socio-economic hardship'),
    ('ppks', 'PPKS-24', 24, 'economic', false, 'Fakir Miskin', 'Person in poverty'),
    ('ppks', 'PPKS-25', 25, 'family', false, 'Keluarga Bermasalah Sosial Psikologis', 'Family in socio-psychological difficulty'),
    ('ppks', 'PPKS-26', 26, 'community', false, 'Komunitas Adat Terpencil', 'Remote indigenous community');

INSERT INTO codes (list, code, position, group_code, label_id, label_en) VALUES
    ('service-fields', 'rehabilitation', 1, NULL, 'Rehabilitasi sosial', 'Social rehabilitation'),
    ('service-fields', 'security', 2, NULL, 'Jaminan sosial', 'Social security'),
    ('service-fields', 'empowerment', 3, NULL, 'Pemberdayaan sosial', 'Social empowerment'),
    ('service-fields', 'protection', 4, NULL, 'Perlindungan sosial', 'Social protection'),
    ('sectors', 'kesehatan', 1, NULL, 'Kesehatan', 'Health'),
    ('sectors', 'pendidikan', 2, NULL, 'Pendidikan', 'Education'),
    ('sectors', 'sosial_ekonomi', 3, NULL, 'Sosial ekonomi', 'Socio-economic'),
    ('sectors', 'pangan', 4, NULL, 'Pangan', 'Food'),
    ('sectors', 'energi', 5, NULL, 'Energi', 'Energy'),
    ('sectors', 'pertanian', 6, NULL, 'Pertanian', 'Agriculture'),
    ('sectors', 'perikanan', 7, NULL, 'Perikanan', 'Fisheries'),
    ('sectors', 'perumahan', 8, NULL, 'Perumahan', 'Housing'),
    ('sectors', 'adminduk', 9, NULL, 'Administrasi kependudukan', 'Civil registration'),
    ('services', 'pbi_jk_reactivation', 1, 'kesehatan', 'Reaktivasi PBI-JK', 'PBI-JK reactivation'),
    ('services', 'bpjs_registration', 2, 'kesehatan', 'Pendaftaran kepesertaan BPJS', 'BPJS membership registration'),
    ('services', 'jampersal_recommendation', 3, 'kesehatan', 'Rekomendasi Jampersal', 'Jampersal recommendation'),
    ('services', 'dtsen_registration', 4, 'sosial_ekonomi', 'Pengusulan DTSEN', 'DTSEN registration'),
    ('services', 'desil_check', 5, 'sosial_ekonomi', 'Pemeriksaan desil', 'Decile check'),
    ('services', 'kip_kuliah_recommendation', 6, 'pendidikan', 'Rekomendasi KIP Kuliah', 'KIP Kuliah recommendation'),
    ('services', 'registration_letter', 7, 'adminduk', 'Surat keterangan terdaftar', 'Letter of registration'),
    ('services', 'neglected_child_care', 8, 'sosial_ekonomi', 'Penanganan anak terlantar', 'Care for a neglected child'),
    ('services', 'neglected_elder_care', 9, 'sosial_ekonomi', 'Penanganan lanjut usia terlantar', 'Care for a neglected elder'),
    ('services', 'social_conflict', 10, 'sosial_ekonomi', 'Penanganan konflik sosial', 'Handling of a social conflict'),
    ('services', 'emergency_aid', 11, 'pangan', 'Bantuan darurat', 'Emergency aid'),
    ('services', 'uninhabitable_house', 12, 'perumahan', 'Usulan rumah tidak layak huni', 'Proposal for an uninhabitable house'),
    ('services', 'death_certificate', 13, 'adminduk', 'Akta kematian', 'Death certificate'),
    ('services', 'employment_insurance', 14, 'sosial_ekonomi', 'Jaminan sosial ketenagakerjaan', 'Employment social security'),
    ('referral-outcomes', 'service_provided', 1, NULL, 'Layanan diberikan', 'Service provided'),
    ('referral-outcomes', 'membership_active', 2, NULL, 'Kepesertaan aktif', 'Membership active'),
    ('referral-outcomes', 'aid_received', 3, NULL, 'Bantuan diterima', 'Aid received'),
    ('referral-outcomes', 'referred_outside', 4, NULL, 'Dirujuk ke luar Simpul', 'Referred to a body outside Simpul'),
    ('referral-outcomes', 'not_eligible', 5, NULL, 'Tidak memenuhi syarat', 'Not eligible'),
    ('referral-outcomes', 'record_not_found', 6, NULL, 'Data tidak ditemukan', 'Record not found'),
    ('referral-outcomes', 'service_refused_by_person', 7, NULL, 'Ditolak oleh yang bersangkutan', 'Refused by the person'),
    ('referral-outcomes', 'unreachable', 8, NULL, 'Tidak dapat dihubungi', 'Unreachable'),
    ('referral-outcomes', 'moved', 9, NULL, 'Pindah', 'Moved'),
    ('referral-outcomes', 'deceased', 10, NULL, 'Meninggal dunia', 'Deceased'),
    ('referral-outcomes', 'duplicate', 11, NULL, 'Ganda', 'Duplicate'),
    ('decline-reasons', 'decile_too_high', 1, NULL, 'Desil terlalu tinggi', 'Decile too high'),
    ('decline-reasons', 'not_in_dtsen', 2, NULL, 'Tidak ada di DTSEN', 'Not in DTSEN'),
    ('decline-reasons', 'family_of_civil_servant', 3, NULL, 'Keluarga ASN/TNI/Polri', 'Family of a civil servant'),
    ('decline-reasons', 'documents_incomplete', 4, NULL, 'Berkas tidak lengkap', 'Documents incomplete'),
    ('decline-reasons', 'nik_mismatch', 5, NULL, 'NIK tidak cocok', 'NIK does not match'),
    ('decline-reasons', 'outside_authority', 6, NULL, 'Di luar kewenangan', 'Outside our authority'),
    ('decline-reasons', 'quota_exhausted', 7, NULL, 'Kuota habis', 'Quota exhausted'),
    ('decline-reasons', 'duplicate', 8, NULL, 'Ganda', 'Duplicate'),
    ('psm-functions', 'coordination', 1, NULL, 'Koordinasi', 'Coordination'),
    ('psm-functions', 'administration', 2, NULL, 'Administrasi', 'Administration'),
    ('psm-functions', 'motivation', 3, NULL, 'Motivasi', 'Motivation'),
    ('psm-functions', 'initiator', 4, NULL, 'Inisiator', 'Initiator'),
    ('psm-functions', 'motivator', 5, NULL, 'Motivator', 'Motivator'),
    ('psm-functions', 'dynamiser', 6, NULL, 'Dinamisator', 'Dynamiser'),
    ('psm-functions', 'administrator', 7, NULL, 'Administrator', 'Administrator');
INSERT INTO codes (list, code, position, needs_text, label_id, label_en) VALUES
    ('decline-reasons', 'other', 99, true, 'Lainnya', 'Other');

GRANT SELECT ON code_lists, codes TO simpul_service;
