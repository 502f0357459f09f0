package cache

import (
	"errors"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// shown is the text of an error fit for statuses and logs: on one line, and
// without the credentials of the sessions that it may be about, which a gateway
// may have sent back. Sessions may be nil.
func shown(err error, sessions ...*member.Session) string {
	for _, s := range sessions {
		if s != nil && s.Redact != nil {
			err = errors.New(s.Redact(err))
		}
	}
	// For those without a session, and for the cuts of the others.
	return redact.Line(err.Error(), redact.Longest)
}
