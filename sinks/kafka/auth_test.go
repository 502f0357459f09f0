package kafka_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// secret is a password that must not be shown.
const secret = "canary-8d1f6b"

// choose opens the sink that a text chooses.
func choose(t *testing.T, text string) pipeline.Sink {
	t.Helper()
	return sinktest.Choose(t, sinks.Kinds{kafka.Kind()}, text)
}

func hidden(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if err != nil && strings.Contains(err.Error(), s) {
			t.Errorf("an error shows a credential: %v", err)
		}
	}
}

func TestPasswords(t *testing.T) {
	c := start(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "root", "root"),
		kfake.Superuser("PLAIN", "me", secret), kfake.Superuser("SCRAM-SHA-256", "me", secret), kfake.Superuser("SCRAM-SHA-512", "me", secret))
	for i, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		password := file(t, "wrong-"+secret+"\n")
		s := choose(t, "kafka://"+c.addrs[0]+"/fairlead?tls=false&user=me&mechanism="+mechanism+"&password-file="+password)
		batch := []*pipeline.Change{change("a", uint64(i+1), 9)}
		for range 2 {
			err := s.Write(t.Context(), batch)
			sinktest.Fails(t, err, "ends the connection", "password") // which is how this fake refuses
			hidden(t, err, secret)
		}
		refusal := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLAuthenticate}, TopLevel: true, Err: kerr.SaslAuthenticationFailed, Count: -1})
		sinktest.Fails(t, s.Write(t.Context(), batch), "SASL_AUTHENTICATION_FAILED", "password") // and how Kafka does
		err := s.(sinks.Checker).Check(t.Context())
		sinktest.Fails(t, err, "SASL_AUTHENTICATION_FAILED", "password")
		hidden(t, err, secret)
		refusal.Remove()
		if err := os.WriteFile(password, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), batch); err != nil {
			t.Errorf("%s, after the password was corrected: %v", mechanism, err)
		}
		if err := s.(sinks.Checker).Check(t.Context()); err != nil {
			t.Errorf("%s: Check: %v", mechanism, err)
		}
	}
	root := kgo.SASL(plain.Auth{User: "root", Pass: "root"}.AsMechanism())
	if n := len(c.records("fairlead", root)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	// Without a password the broker ends the connection, and says so, or nothing.
	s := choose(t, "kafka://"+c.addrs[0]+"/fairlead?tls=false")
	sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), "authentication")
}

func TestRights(t *testing.T) {
	allow := func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	c := start(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "root"),
		kfake.User("PLAIN", "reader", secret, allow(kmsg.ACLResourceTypeTopic, "fairlead", kmsg.ACLOperationDescribe)),
		kfake.User("PLAIN", "other", secret, allow(kmsg.ACLResourceTypeTopic, "fairlead", kmsg.ACLOperationDescribe), allow(kmsg.ACLResourceTypeTopic, "other", kmsg.ACLOperationWrite)),
		kfake.User("PLAIN", "writer", secret, allow(kmsg.ACLResourceTypeTopic, "fairlead", kmsg.ACLOperationWrite)),
	)
	batch := []*pipeline.Change{change("a", 1, 9)}
	text := "kafka://" + c.addrs[0] + "/fairlead?tls=false&mechanism=plain&password-file=" + file(t, secret) + "&user="
	for user, want := range map[string]string{"reader": "may write to no topic", "other": "may not write to the topic"} {
		s := choose(t, text+user)
		sinktest.Fails(t, s.Write(t.Context(), batch), "AUTHORIZATION_FAILED", want)
		sinktest.Fails(t, s.(sinks.Checker).Check(t.Context()), "TOPIC_AUTHORIZATION_FAILED", "may not write to the topic")
	}
	s := choose(t, text+"writer")
	if err := s.(sinks.Checker).Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	if err := s.Write(t.Context(), batch); err != nil {
		t.Errorf("Write: %v", err)
	}
	// Of a template it is the topics that it may name.
	template := strings.Replace(text, "/fairlead?", "/fair{resource}?", 1)
	sinktest.Fails(t, choose(t, template+"reader").(sinks.Checker).Check(t.Context()), `topic "fairlead"`, "may not write to the topic")
	if err := choose(t, template+"writer").(sinks.Checker).Check(t.Context()); err != nil {
		t.Errorf("Check of a template: %v", err)
	}
}

func TestTLS(t *testing.T) {
	ca, err := testca.New("brokers")
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
	c := start(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: users}))
	client, err := ca.Client("fairlead", nil)
	if err != nil {
		t.Fatal(err)
	}
	batch := []*pipeline.Change{change("a", 1, 9)}
	own := "&cert=" + file(t, string(client.Cert)) + "&key=" + file(t, string(client.Key))
	text := "kafka://" + c.addrs[0] + "/fairlead?timeout=5s"
	if err := choose(t, text+own+"&ca="+file(t, string(ca.PEM()))).Write(t.Context(), batch); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	sinktest.Fails(t, choose(t, text+own).Write(t.Context(), batch), "unknown authority")
	sinktest.Fails(t, choose(t, text+own+"&server-name=elsewhere&ca="+file(t, string(ca.PEM()))).Write(t.Context(), batch), "elsewhere")
	sinktest.Fails(t, choose(t, text+"&ca="+file(t, string(ca.PEM()))).Write(t.Context(), batch), "certificate")
	sinktest.Fails(t, choose(t, text+"&tls=false").Write(t.Context(), batch), "TLS")
	// And the other way round.
	c = start(t)
	sinktest.Fails(t, choose(t, "kafka://"+c.addrs[0]+"/fairlead").Write(t.Context(), batch), "TLS")
}

// A certificate of the brokers that has expired costs no change, and the error names it. So
// does one of the client.
func TestCertificatesThatHaveExpired(t *testing.T) {
	ca, err := testca.New("brokers")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Expired()
	if err != nil {
		t.Fatal(err)
	}
	expired, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	good, err := tls.X509KeyPair(fresh.Cert, fresh.Key)
	if err != nil {
		t.Fatal(err)
	}
	var renewed atomic.Bool
	c := start(t, kfake.TLS(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if renewed.Load() {
			return &good, nil
		}
		return &expired, nil
	}}))
	s := choose(t, "kafka://"+c.addrs[0]+"/fairlead?ca="+file(t, string(ca.PEM())))
	batch := []*pipeline.Change{change("a", 1, 9)}
	for range 2 {
		sinktest.Fails(t, s.Write(t.Context(), batch), "expired", c.addrs[0])
	}
	sinktest.Fails(t, s.(sinks.Checker).Check(t.Context()), "expired", c.addrs[0])
	renewed.Store(true)
	if err := s.Write(t.Context(), batch); err != nil {
		t.Errorf("after the certificate was renewed: %v", err)
	}

	users := x509.NewCertPool()
	users.AppendCertsFromPEM(ca.PEM())
	c = start(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: users}))
	cert, key := file(t, string(pair.Cert)), file(t, string(pair.Key))
	s = choose(t, "kafka://"+c.addrs[0]+"/fairlead?ca="+file(t, string(ca.PEM()))+"&cert="+cert+"&key="+key)
	sinktest.Fails(t, s.Write(t.Context(), batch), "certificate")
	client, err := ca.Client("fairlead", nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{cert: client.Cert, key: client.Key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(t.Context(), batch); err != nil {
		t.Errorf("after the client's certificate was renewed: %v", err)
	}
}
