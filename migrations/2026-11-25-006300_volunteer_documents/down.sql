DROP TABLE volunteer_documents;
