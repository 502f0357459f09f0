package nats_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

const secret = "canary-8d1f6b"

// choose opens the sink that a text chooses.
func choose(t *testing.T, text string) pipeline.Sink {
	t.Helper()
	return sinktest.Choose(t, sinks.Kinds{nats.Kind()}, text)
}

func TestLogins(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := pair.Seed()
	public, _ := pair.PublicKey()
	other, _ := nkeys.CreateUser()
	wrong, _ := other.Seed()
	admin := client.UserInfo("admin", "admin")
	for name, tc := range map[string]struct {
		with        func(*server.Options)
		param       string
		right, fail string
		admin       client.Option
	}{
		"password": {func(o *server.Options) {
			o.Users = []*server.User{{Username: "me", Password: secret}, {Username: "admin", Password: "admin"}}
		}, "user=me&password-file=", secret, "wrong-" + secret, admin},
		"token": {func(o *server.Options) { o.Authorization = secret }, "token-file=", secret, "wrong-" + secret, client.Token(secret)},
		"nkey": {func(o *server.Options) {
			o.Nkeys = []*server.NkeyUser{{Nkey: public}}
			o.Users = []*server.User{{Username: "admin", Password: "admin"}}
		}, "nkey-file=", string(seed), string(wrong), admin},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, tc.with).make(tc.admin)
			path := file(t, tc.fail+"\n")
			for _, mode := range []string{"stream", "kv"} {
				if err := os.WriteFile(path, []byte(tc.fail), 0o600); err != nil {
					t.Fatal(err)
				}
				s := choose(t, "nats://"+p.addr+"/fairlead?tls=false&mode="+mode+"&"+tc.param+path)
				batch := []*pipeline.Change{change("a", 1, 9)}
				for _, err := range []error{s.Write(t.Context(), batch), s.(sinks.Checker).Check(t.Context())} {
					sinktest.Fails(t, err, "correct") // The words of the server can be lost with the connection.
					if strings.Contains(err.Error(), tc.fail) {
						t.Errorf("an error shows a credential: %v", err)
					}
				}
				if err := os.WriteFile(path, []byte(tc.right), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(s.Write(t.Context(), batch), s.(sinks.Checker).Check(t.Context())); err != nil {
					t.Errorf("%s, after the file was corrected: %v", mode, err)
				}
			}
			if n := len(p.messages(tc.admin)); n != 1 {
				t.Errorf("%d messages, want 1", n)
			}
		})
	}
}

// A user without a right is told which, at once: by the first write, as a check publishes
// nothing. No change is refused for good.
func TestRights(t *testing.T) {
	p := start(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "admin"},
			{Username: "reader", Password: secret, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"nothing"}}}},
			{Username: "writer", Password: secret, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"fairlead.>"}}}},
			{Username: "asker", Password: secret, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"$JS.API.>"}}}},
		}
	}).make(client.UserInfo("admin", "admin"))
	batch := []*pipeline.Change{change("a", 1, 9)}
	text := "nats://" + p.addr + "/fairlead?tls=false&password-file=" + file(t, secret) + "&user="
	s := choose(t, text+"reader")
	sinktest.Fails(t, s.Write(t.Context(), batch), "may not do that", "allow it to publish to the subjects", "fairlead.alpha.core.configmaps.ns.a")
	if err := choose(t, text+"writer").Write(t.Context(), batch); err != nil {
		t.Errorf("with the right to publish alone: %v", err)
	}
	if err := choose(t, text+"writer").(*nats.Sink).Check(t.Context()); !sinks.IsCaution(err) {
		t.Errorf("a check without the right to ask: %v", err)
	}
	sinktest.Fails(t, choose(t, text+"writer&mode=kv").Write(t.Context(), batch), "may not do that")
	for mode, subject := range map[string]string{"stream": "fairlead.", "kv": "$KV.fairlead."} {
		s := choose(t, text+"asker&mode="+mode)
		if err := s.(sinks.Checker).Check(t.Context()); err != nil {
			t.Errorf("%s: a check without the right to publish: %v", mode, err)
		}
		sinktest.Fails(t, s.Write(t.Context(), batch), "may not do that", "allow it to publish to the subjects", subject+"alpha.core.configmaps.ns.a")
	}
}

func TestTLS(t *testing.T) {
	ca, err := testca.New("servers")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	users := x509.NewCertPool()
	users.AppendCertsFromPEM(ca.PEM())
	mine, err := ca.Client("fairlead", nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.X509KeyPair(mine.Cert, mine.Key)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, func(o *server.Options) {
		o.TLS, o.TLSVerify = true, true
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: users, MinVersion: tls.VersionTLS12}
	}).make(client.Secure(&tls.Config{RootCAs: users, Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}))
	batch := []*pipeline.Change{change("a", 1, 9)}
	text, trust := "nats://"+p.addr+"/fairlead?", "ca="+file(t, string(ca.PEM()))
	shown := "&cert=" + file(t, string(mine.Cert)) + "&key=" + file(t, string(mine.Key))
	if err := choose(t, text+trust+shown).Write(t.Context(), batch); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	sinktest.Fails(t, choose(t, text+shown).Write(t.Context(), batch), "unknown authority")
	sinktest.Fails(t, choose(t, text+trust+shown+"&server-name=elsewhere").Write(t.Context(), batch), "elsewhere")
	sinktest.Fails(t, choose(t, text+trust).Write(t.Context(), batch), "certificate")

	p = start(t, nil).make()
	sinktest.Fails(t, choose(t, "nats://"+p.addr+"/fairlead").Write(t.Context(), batch), "offers no TLS", "tls=false")
}

// A certificate of the server that has expired costs no change, and the error names it.
func TestCertificateThatHasExpired(t *testing.T) {
	ca, err := testca.New("servers")
	if err != nil {
		t.Fatal(err)
	}
	var shown atomic.Pointer[tls.Certificate]
	show := func(pair testca.KeyPair, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		shown.Store(&cert)
	}
	show(ca.Server())
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(ca.PEM())
	p := start(t, func(o *server.Options) {
		o.TLS, o.TLSTimeout = true, 60
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }}
	}).make(client.Secure(&tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}))
	show(ca.Expired())
	text := "nats://" + p.addr + "/fairlead?ca=" + file(t, string(ca.PEM()))
	batch := []*pipeline.Change{change("a", 1, 9)}
	all := map[string]pipeline.Sink{"stream": choose(t, text), "kv": choose(t, text+"&mode=kv")}
	for _, s := range all {
		for range 2 {
			sinktest.Fails(t, s.Write(t.Context(), batch), "expired", p.addr)
		}
		sinktest.Fails(t, s.(sinks.Checker).Check(t.Context()), "expired", p.addr)
	}
	show(ca.Server())
	for name, s := range all {
		if err := s.Write(t.Context(), batch); err != nil {
			t.Errorf("%s, after the certificate was renewed: %v", name, err)
		}
	}
}

func TestKind(t *testing.T) {
	kind := nats.Kind()
	if err := kind.Validate(); err != nil {
		t.Fatal(err)
	}
	kinds := sinks.Kinds{kind}
	for text, want := range map[string]string{
		"nats://a:1,b/s":                         "nats://a:1,b/s",
		"nats://a/s?mode=kv&tls=false":           "nats://a/s?mode=kv",
		"nats://a/s?prefix=x.y&token-file=/f":    "nats://a/s?prefix=x.y",
		"nats://a/s?create=true&max-age=1h&ca=c": "nats://a/s",
	} {
		if spec, err := kinds.Parse(text); err != nil || spec.Identity != want {
			t.Errorf("%s: %+v, %v; want identity %s", text, spec, err, want)
		}
	}
	for text, want := range map[string]string{
		"nats://a":                              "no proper name",
		"nats://a/s.t":                          "no proper name",
		"nats://a/s?prefix=a.>":                 "prefix",
		"nats://me@a/s":                         "creds-file",
		"nats://a/s?user=me":                    "password-file",
		"nats://a/s?nkey-file=/a&token-file=/b": "exclude each other",
		"nats://a/s?tls=false&ca=/c":            "tls=false",
		"nats://a/s?replicas=1":                 "create=true",
		"nats://a/s?mode=kv&prefix=x":           "mode=stream",
	} {
		if _, err := kinds.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
}
