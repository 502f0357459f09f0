package httpdest

import (
	"testing"
	"time"
)

// FuzzRetryAfter: whatever a server asks for, it is a delay of at most ten minutes and a
// tenth.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "7", "601", "86400", "9999999999", "9223372036854775807", "-1", "+1", "1e3", "99999999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", " 3 ", "٣"} {
		f.Add(s)
	}
	now := time.Unix(1445412400, 0)
	f.Fuzz(func(t *testing.T, value string) {
		d := RetryAfter(value, now)
		if d < 0 || d > MaxPatience+MaxPatience/10 {
			t.Errorf("%q: %v", value, d)
		}
	})
}
