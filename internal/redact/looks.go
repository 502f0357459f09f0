package redact

import (
	"regexp"
	"strings"
)

// longestKey bounds, in bytes, how far from its beginning a private key is looked for.
const longestKey = 16 << 10

var (
	// credentials are recognised by their looks where they are not known: headers, JSON web
	// tokens, what is before the @ of a URL, PEM in base64, keys of AWS, the path of a webhook of
	// Slack, seeds of NATS, and tokens that say whose they are.
	credentials = regexp.MustCompile(`(?i)\b(?:bearer|basic)[ :]+[\w.~+/=-]{16,}|\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?|://[^/\s"]+@|LS0tLS1CRUdJTi[\w+/=-]{16,}` +
		`|(?-i:\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)|\bhooks\.slack\.com/services/[\w/]+|(?-i:\bS[ACNOUX][A-Z2-7]{56}\b)` +
		`|\b(?:gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|hvs\.|whsec_)[\w.+/=-]{16,}`)

	// keyBegin is before a private key, or a seed of NATS, and keyText what it may be made of:
	// also over the times before lines of a log, and in JSON.
	keyBegin = regexp.MustCompile(`(?i)-----BEGIN [\w ]*(?:PRIVATE KEY|SEED)[\w ]*-----`)
	keyText  = regexp.MustCompile(`^(?:[\s\w+/=:,.-]|\\+[nr])*`)
)

// cleanLooks returns s without what looks like a credential.
func cleanLooks(s string) string {
	return credentials.ReplaceAllStringFunc(cleanKeys(s), func(found string) string {
		if strings.HasPrefix(found, "://") {
			return "://" + Redacted + "@"
		}
		return Redacted
	})
}

// cleanKeys returns s without private keys. One without an end goes as far as what may be one.
func cleanKeys(s string) string {
	var out strings.Builder
	for {
		found := keyBegin.FindStringIndex(s)
		if found == nil {
			return out.String() + s
		}
		out.WriteString(s[:found[0]] + Redacted)
		s = s[found[1]:]
		within := s[:min(len(s), longestKey)]
		if _, end, ok := strings.Cut(within, "-----"); ok && strings.HasPrefix(strings.TrimLeft(end, "-"), "END ") {
			if _, after, ok := strings.Cut(strings.TrimLeft(end, "-"), "-----"); ok {
				s = strings.TrimLeft(s[len(within)-len(after):], "-")
				continue
			}
		}
		s = s[len(keyText.FindString(within)):]
	}
}
