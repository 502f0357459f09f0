package httpdest

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

const (
	// MaxPatience bounds what a server may ask to wait.
	MaxPatience = 10 * time.Minute
	// maxSaid is how much of an answer is shown, in bytes.
	maxSaid = 300
)

// RetryAfter returns what a header Retry-After asks for, seconds or a date: at most
// MaxPatience, and up to a tenth longer at random, so that not all come back at once. It
// is 0 if it asks for nothing.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	d := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if errors.Is(err, strconv.ErrRange) { // so many digits are a large number, too
		d = MaxPatience
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	if d = min(d, MaxPatience); d <= 0 {
		return 0
	}
	return d + rand.N(d/10+1)
}

// Said returns a text that a server has sent, for an error: one line, bounded, and clean.
// It begins with a colon unless it is empty.
func Said(clean *redact.Redactor, text string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "?"))
	if text == "" {
		return ""
	}
	return ": " + redact.Line(clean.Clean(text), maxSaid)
}

// RetryAfter returns what the answer's Retry-After asks for.
func (a Answer) RetryAfter(now time.Time) time.Duration {
	return RetryAfter(a.Header.Get("Retry-After"), now)
}

// Said returns a text that the server has sent, without what the files hold.
func (c *Client) Said(text string) string { return Said(c.header.redactor(), text) }
