"""Migrations of the tables of campaigns. They are beside those of serving, with a version of their own."""
