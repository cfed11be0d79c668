"""Labels as people keep them: tables of any spreadsheet, exports of Label Studio, and people who disagree."""
