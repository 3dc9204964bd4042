"""Reviewed tables: combination codes, integral symptoms."""
