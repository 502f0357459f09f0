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

// expiry tells for how long credentials are good. A zero value says that this is not
// known: a password, an opaque token and a credential plugin do not tell.
type expiry struct {
	credential string    // what expires first: "token" or "certificate"
	issued     time.Time // when they began to be good; zero if that is not told
	expires    time.Time // when they end
}

// expiryOf returns the first expiry of the credentials that requests of cfg carry. Files
// are read as they are now. What cannot be read has none: the probe tells what is wrong
// with it.
func expiryOf(cfg *rest.Config) (first expiry) {
	if cfg == nil {
		return expiry{}
	}
	for _, e := range []expiry{
		tokenExpiry(contents([]byte(cfg.BearerToken), cfg.BearerTokenFile)),
		certificateExpiry(contents(cfg.CertData, cfg.CertFile)),
	} {
		if !e.expires.IsZero() && (first.expires.IsZero() || e.expires.Before(first.expires)) {
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
func tokenExpiry(token []byte) expiry {
	if len(token) > maxCredential {
		return expiry{}
	}
	parts := strings.Split(string(bytes.TrimSpace(token)), ".")
	if len(parts) != 3 {
		return expiry{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return expiry{}
	}
	var times struct {
		Expires   float64 `json:"exp"`
		Issued    float64 `json:"iat"`
		NotBefore float64 `json:"nbf"`
	}
	if json.Unmarshal(claims, &times) != nil {
		return expiry{}
	}
	expires := numericDate(times.Expires)
	if expires.IsZero() {
		return expiry{}
	}
	issued := numericDate(times.Issued)
	if issued.IsZero() {
		issued = numericDate(times.NotBefore)
	}
	return expiry{credential: "token", issued: issued, expires: expires}
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
func certificateExpiry(text []byte) expiry {
	if len(text) > maxCredential {
		return expiry{}
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return expiry{}
		}
		return expiry{credential: "certificate", issued: c.NotBefore, expires: c.NotAfter}
	}
	return expiry{}
}
