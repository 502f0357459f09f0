package connection

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// maxCredential bounds the files of credentials that are read for their expiry, and the
// tokens that are looked into, in bytes.
const maxCredential = 64 << 10

// Expiry tells for how long credentials are good. A zero value says that this is not
// known: a password, an opaque token and a credential plugin do not tell.
type Expiry struct {
	// Credential is what expires first: "token" or "certificate".
	Credential string
	// Issued is when they began to be good, zero if that is not told.
	Issued time.Time
	// Expires is when they end.
	Expires time.Time
}

// Lifetime is the time from the issue to the expiry; zero if it is not known.
func (e Expiry) Lifetime() time.Duration {
	if e.Issued.IsZero() || e.Expires.Before(e.Issued) {
		return 0
	}
	return e.Expires.Sub(e.Issued)
}

// expiryOf returns the first expiry of the credentials that requests of cfg carry. Files
// are read as they are now. What cannot be read has none: the probe tells what is wrong
// with it.
func expiryOf(cfg *rest.Config) (first Expiry) {
	if cfg == nil {
		return Expiry{}
	}
	for _, e := range []Expiry{
		tokenExpiry(contents([]byte(cfg.BearerToken), cfg.BearerTokenFile)),
		certificateExpiry(contents(cfg.CertData, cfg.CertFile)),
	} {
		if !e.Expires.IsZero() && (first.Expires.IsZero() || e.Expires.Before(first.Expires)) {
			first = e
		}
	}
	return first
}

// contents returns what client-go sends: of a token and of a certificate the file, if there
// is one, and the data only beside an empty file name.
func contents(data []byte, file string) []byte {
	if file == "" {
		return data
	}
	if text, err := smallfile.Read(file, maxCredential); err == nil {
		return text
	}
	return data
}

// tokenExpiry reads the claims of a JSON Web Token, without a check of its signature: only
// its server can tell whether it is good, and says so when it is asked.
func tokenExpiry(token []byte) Expiry {
	if len(token) > maxCredential {
		return Expiry{}
	}
	parts := strings.Split(string(bytes.TrimSpace(token)), ".")
	if len(parts) != 3 {
		return Expiry{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Expiry{}
	}
	var times struct {
		Expires   float64 `json:"exp"`
		Issued    float64 `json:"iat"`
		NotBefore float64 `json:"nbf"`
	}
	if json.Unmarshal(claims, &times) != nil {
		return Expiry{}
	}
	expires := numericDate(times.Expires)
	if expires.IsZero() {
		return Expiry{}
	}
	issued := numericDate(times.Issued)
	if issued.IsZero() {
		issued = numericDate(times.NotBefore)
	}
	return Expiry{Credential: "token", Issued: issued, Expires: expires}
}

// numericDate is a time as a claim has it (RFC 7519): seconds since 1970. It is zero for
// what no clock will show.
func numericDate(seconds float64) time.Time {
	const year10000 = 253402300800
	if seconds <= 0 || seconds >= year10000 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// certificateExpiry is that of the first certificate, which is the client's own.
func certificateExpiry(text []byte) Expiry {
	if len(text) > maxCredential {
		return Expiry{}
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Expiry{}
		}
		return Expiry{Credential: "certificate", Issued: c.NotBefore, Expires: c.NotAfter}
	}
	return Expiry{}
}
