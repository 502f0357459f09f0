package httpdest

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

const (
	// maxPatience bounds what a server may ask to wait.
	maxPatience = 10 * time.Minute
	// maxSaid is how much of an answer is shown, in bytes.
	maxSaid = 300
)

// RetryAfter returns what the answer's Retry-After asks for, seconds or a date: at most
// ten minutes, and up to a tenth longer at random, so that not all come back at once. It
// is 0 if there is none.
func (a Answer) RetryAfter(now time.Time) time.Duration {
	text := strings.TrimSpace(a.Header.Get("Retry-After"))
	d := time.Duration(0)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	if d = min(d, maxPatience); d <= 0 {
		return 0
	}
	return d + rand.N(d/10+1)
}

// Said returns a text that the server has sent, for an error: one line, bounded, and
// without what the files hold. It begins with a colon unless it is empty.
func (c *Client) Said(text string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "?"))
	if text == "" {
		return ""
	}
	return ": " + redact.Line(c.header.redactor().Clean(text), maxSaid)
}
