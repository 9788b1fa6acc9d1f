"""The lease table: register, renew, cancel, status, eviction, self-preservation, delta. No IO, no clock."""
