"""Campaigns: thousands of calculations, priced, queued, computed by workers, watched and reported."""
