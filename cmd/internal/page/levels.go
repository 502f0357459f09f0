package page

import (
	"slices"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// Levels: how well something is, from the best to the worst.
const (
	ok   = "ok"
	busy = "busy" // not there yet, or held by the operator
	warn = "warn" // may get well by itself
	bad  = "bad"
)

var levels = []string{ok, busy, warn, bad}

// worse reports whether a is worse than b.
func worse(a, b string) bool { return slices.Index(levels, a) > slices.Index(levels, b) }

// levelOf says how well a cluster or stream in that state is.
func levelOf(s member.State) string {
	switch s {
	case member.Live:
		return ok
	case member.Connecting, member.Syncing, member.Paused:
		return busy
	case member.Stale:
		return warn
	default:
		return bad
	}
}

// mark is a level as a sign, so that nobody has to tell colours apart.
func mark(level string) string {
	switch level {
	case ok:
		return "●"
	case busy:
		return "◐"
	case warn:
		return "▲"
	default:
		return "✖"
	}
}
