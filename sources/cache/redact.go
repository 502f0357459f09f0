package cache

import (
	"errors"
	"strings"
	"unicode"

	"github.com/fairlead-dev/fairlead/internal/member"
)

// longestProblem bounds, in bytes, the text of an error that is shown.
const longestProblem = 500

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
	text := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, err.Error())
	if len(text) > longestProblem {
		text = strings.ToValidUTF8(text[:longestProblem-3], "") + "..."
	}
	return text
}
