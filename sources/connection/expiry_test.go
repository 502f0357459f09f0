package connection

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// token is a JSON Web Token with these claims.
func token(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + "." + part([]byte("signature"))
}

func certificate(t *testing.T, from, until time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestExpiry(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "credential")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert := certificate(t, at(100), at(5000))
	var none expiry
	for name, test := range map[string]struct {
		rest rest.Config
		want expiry
	}{
		"a token":                    {rest.Config{BearerToken: token(`{"exp":4000,"iat":400}`)}, expiry{"token", at(400), at(4000)}},
		"a token and a line break":   {rest.Config{BearerToken: token(`{"exp":4000,"iat":400}`) + "\n"}, expiry{"token", at(400), at(4000)}},
		"a token, not before":        {rest.Config{BearerToken: token(`{"exp":4000.5,"nbf":500}`)}, expiry{"token", at(500), at(4000)}},
		"a token without issue":      {rest.Config{BearerToken: token(`{"exp":4000}`)}, expiry{"token", time.Time{}, at(4000)}},
		"a token in a file":          {rest.Config{BearerToken: "x", BearerTokenFile: file(token(`{"exp":4000,"iat":400}`))}, expiry{"token", at(400), at(4000)}},
		"a token that never ends":    {rest.Config{BearerToken: token(`{"iat":400}`)}, none},
		"a token of no clock":        {rest.Config{BearerToken: token(`{"exp":1e300}`)}, none},
		"a token before 1970":        {rest.Config{BearerToken: token(`{"exp":-1}`)}, none},
		"a token with a text":        {rest.Config{BearerToken: token(`{"exp":"soon"}`)}, none},
		"an opaque token":            {rest.Config{BearerToken: "a.b.c"}, none},
		"a token without end":        {rest.Config{BearerToken: token(`{"exp":4000,"x":"` + strings.Repeat("x", maxCredential) + `"}`)}, none},
		"a missing file":             {rest.Config{BearerTokenFile: filepath.Join(t.TempDir(), "none")}, none},
		"a certificate":              {rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: cert}}, expiry{"certificate", at(100), at(5000)}},
		"a certificate in a file":    {rest.Config{TLSClientConfig: rest.TLSClientConfig{CertFile: file(string(cert))}}, expiry{"certificate", at(100), at(5000)}},
		"both, the token ends first": {rest.Config{BearerToken: token(`{"exp":4000}`), TLSClientConfig: rest.TLSClientConfig{CertData: cert}}, expiry{"token", time.Time{}, at(4000)}},
		"no certificate":             {rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}}, none},
		"a password":                 {rest.Config{Username: "u", Password: "p"}, none},
	} {
		t.Run(name, func(t *testing.T) {
			got := expiryOf(&test.rest)
			if got.credential != test.want.credential || !got.issued.Equal(test.want.issued) || !got.expires.Equal(test.want.expires) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
	if got := expiryOf(nil); got != none {
		t.Errorf("without a configuration: %+v", got)
	}
}
