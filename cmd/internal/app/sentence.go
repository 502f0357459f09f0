package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// ordinal returns "1st", "2nd", "3rd", "4th".
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}

// about returns a duration as people say it: in the unit that suits, with two digits or so.
func about(d time.Duration) string {
	switch {
	case d < time.Second:
		return max(d, 0).Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		text := d.Round(time.Second).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		return text
	}
}

// ago returns how long something was before now.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return "an unknown time"
	}
	return about(now.Sub(at))
}

// next says when something is tried again; empty if that is not known.
func (f *facts) next(at time.Time) string {
	if at.IsZero() || !at.After(f.now) {
		return ""
	}
	return ", and is tried again in " + about(at.Sub(f.now))
}

// stop returns the text of an error for within a sentence: bounded, on one line, without its
// full stop.
func stop(text string) string {
	return strings.TrimRight(redact.Cut(strings.Join(strings.Fields(text), " "), redact.Longest), ".")
}
