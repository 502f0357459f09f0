package api

import (
	"time"

	"github.com/fairlead-dev/fairlead/sources/stream"
)

// A program counts what has happened since it started. Whether that is still something to be
// told is decided here, for findings, the status page and fairlead status alike, and by the
// alerts of deploy/mixin in the same way:
//
//	a state of now, such as Reduced    as long as it is so
//	what has happened at one moment    for a time after the last one
const (
	// Recent is for how long something counts as wrong that has happened, and of which
	// nobody knows when its cause ends.
	Recent = 15 * time.Minute
	// RecentDifference is the same for what audits have found: they come seldom, and each
	// of them is something that somebody has to look into.
	RecentDifference = time.Hour
)

// lately reports whether of what has happened n times since the program started the last one,
// at a time, is no longer ago than a window. Programs before version 1.0 do not tell when
// that was: there it counts.
func lately(n uint64, at, now time.Time, window time.Duration) bool {
	return n > 0 && (at.IsZero() || now.Sub(at) < window)
}

// Rejects reports whether frames of a stream are not handed on, but for those that there is
// no room for: of which n were since the program started.
func Rejects(st *stream.Status, n uint64, now time.Time) bool {
	return st.Reduced > 0 || lately(n, st.LastRejected, now, Recent)
}

// Differs reports whether audits of a stream have found differences.
func Differs(st *stream.Status, now time.Time) bool {
	return lately(st.AuditDifferences, st.LastDifference, now, RecentDifference)
}

// FilterFails reports whether a filter of a route fails on objects of a stream.
func FilterFails(r *stream.RouteStatus, now time.Time) bool {
	return r.FilterFailing > 0 || lately(r.FilterErrors, r.LastFilterErrorAt, now, Recent)
}
