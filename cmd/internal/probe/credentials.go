package probe

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// mostCredential bounds a file of credentials, in bytes.
const mostCredential = 1 << 20

// Credentials returns when what a client configuration holds expires. What a plugin would
// give is not among it, nor what has no end or cannot be read: whoever uses it says so.
// Signatures are not verified.
func Credentials(config *rest.Config) (all []api.Credential) {
	if config == nil {
		return nil
	}
	add := func(what string, issued, expires time.Time, renewed bool) {
		if !expires.IsZero() {
			all = append(all, api.Credential{What: what, Issued: issued, Expires: expires, Mine: true, Renewed: renewed})
		}
	}
	tls := config.TLSClientConfig
	if certificates := certificatesOf(tls.CertData, tls.CertFile); len(certificates) > 0 {
		add("The client certificate", certificates[0].NotBefore, certificates[0].NotAfter, len(tls.CertData) == 0)
	}
	var last x509.Certificate // a CA that is replaced is in there with the one of before
	for _, c := range certificatesOf(tls.CAData, tls.CAFile) {
		if c.NotAfter.After(last.NotAfter) {
			last = *c
		}
	}
	add("The CA", last.NotBefore, last.NotAfter, len(tls.CAData) == 0)
	token := config.BearerToken
	if config.BearerTokenFile != "" {
		token = textOf(config.BearerTokenFile)
	}
	issued, expires := timesOf(token)
	add("The bearer token", issued, expires, config.BearerTokenFile != "")
	return all
}

func certificatesOf(text []byte, path string) (all []*x509.Certificate) {
	if len(text) == 0 && path != "" {
		text = []byte(textOf(path))
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, c)
		}
	}
}

// textOf returns what a file holds; empty if it cannot be read.
func textOf(path string) string {
	text, err := smallfile.Read(path, mostCredential)
	if err != nil {
		return ""
	}
	return string(text)
}

// timesOf returns since when and until when a token is valid that is a JWT which says so;
// else zero.
func timesOf(token string) (issued, expires time.Time) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return issued, expires
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return issued, expires
	}
	var claims struct { // seconds, which may have a fraction
		Issued  float64 `json:"iat"`
		Expires float64 `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return issued, expires
	}
	return moment(claims.Issued), moment(claims.Expires)
}

// moment returns the time of seconds since 1970; zero if there is no such time.
func moment(seconds float64) time.Time {
	if seconds <= 0 || seconds > 1<<38 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
