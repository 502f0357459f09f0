package kafka_test

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// tokens are the OAUTHBEARER tokens that brokers take. The fake of Kafka does not know this
// mechanism: what a broker answers is written here, after RFC 7628 and Kafka's
// OAuthBearerSaslServer. A wrong token is answered with a challenge that says why, and only
// the client's answer to that with an error.
type tokens struct {
	mu    sync.Mutex
	right string
	asked int // how often a token was shown
}

func (o *tokens) take(right string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.right = right
}

func (o *tokens) shown() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// guard has the brokers of a cluster ask for a token, also of those who show none.
func (o *tokens) guard(c *cluster) {
	c.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		answer.SupportedMechanisms = []string{"OAUTHBEARER"}
		if r.(*kmsg.SASLHandshakeRequest).Mechanism != "OAUTHBEARER" {
			answer.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		}
		return answer, nil, true
	})
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		o.mu.Lock()
		defer o.mu.Unlock()
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		switch said := r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes; {
		case bytes.Equal(said, []byte{1}): // the end of what has failed
			answer.ErrorCode, answer.ErrorMessage = kerr.SaslAuthenticationFailed.Code, kmsg.StringPtr(`{"status":"invalid_token"}`)
		case bytes.Equal(said, []byte("n,,\x01auth=Bearer "+o.right+"\x01\x01")):
			o.asked++
		default:
			o.asked++
			answer.SASLAuthBytes = []byte(`{"status":"invalid_token"}`)
		}
		return answer, nil, true
	})
}

// A token is read again for each connection: one that has expired costs no change, and its
// successor is used once it is in the file.
func TestTokens(t *testing.T) {
	c := start(t)
	var o tokens
	o.take(secret + "-1")
	o.guard(c)
	path := file(t, secret+"-1\n")
	s := choose(t, "kafka://"+c.addrs[0]+"/fairlead?tls=false&mechanism=oauthbearer&token-file="+path)
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Fatal(err)
	}
	// The brokers restart, and take the next token only.
	c.Close()
	c.run()
	o.take(secret + "-2")
	o.guard(c)
	batch := []*pipeline.Change{change("a", 2, 9)}
	for range 2 {
		err := s.Write(t.Context(), batch)
		sinktest.Fails(t, err, "SASL_AUTHENTICATION_FAILED", "token")
		hidden(t, err, secret)
	}
	err := s.(sinks.Checker).Check(t.Context())
	sinktest.Fails(t, err, "SASL_AUTHENTICATION_FAILED", "token")
	hidden(t, err, secret)
	if err := os.WriteFile(path, []byte(secret+"-2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), batch); err != nil {
		t.Errorf("after the token was replaced: %v", err)
	}
	if got := c.sequences("a"); len(got) != 2 || got[1] != 2 {
		t.Errorf("the topic has %v, want 1 and 2", got)
	}
	if o.shown() < 4 {
		t.Errorf("a token was shown %d times", o.shown())
	}
	// And the brokers' other mechanisms are none.
	s = choose(t, "kafka://"+c.addrs[0]+"/fairlead?tls=false&mechanism=plain&user=me&password-file="+file(t, secret))
	sinktest.Fails(t, s.Write(t.Context(), batch), "UNSUPPORTED_SASL_MECHANISM", "mechanism")
}

// A file of a token that is missing or empty is named.
func TestTokenFileThatIsMissing(t *testing.T) {
	c := start(t)
	new(tokens).guard(c)
	path := file(t, "")
	s := choose(t, "kafka://"+c.addrs[0]+"/fairlead?tls=false&mechanism=oauthbearer&token-file="+path)
	sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), path)
}
