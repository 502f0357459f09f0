package nats_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// authority signs what a server of an operator trusts: an account with JetStream, and its
// users.
type authority struct {
	t                 *testing.T
	operator, account nkeys.KeyPair
	claims            *jwt.AccountClaims
}

// pair returns a new key and its public half.
func pair(t *testing.T, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

// operate returns an authority, and has a server trust it.
func operate(t *testing.T, o *server.Options) *authority {
	t.Helper()
	a := &authority{t: t}
	var of, system string
	a.operator, of = pair(t, nkeys.CreateOperator)
	var public string
	a.account, public = pair(t, nkeys.CreateAccount)
	_, system = pair(t, nkeys.CreateAccount)
	a.claims = jwt.NewAccountClaims(public)
	a.claims.Name = "fleet"
	a.claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	accounts := &server.MemAccResolver{}
	for _, c := range []*jwt.AccountClaims{a.claims, jwt.NewAccountClaims(system)} {
		text, err := c.Encode(a.operator)
		if err == nil {
			err = accounts.Store(c.Subject, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	trusted := jwt.NewOperatorClaims(of)
	trusted.SystemAccount = system
	text, err := trusted.Encode(a.operator)
	if err != nil {
		t.Fatal(err)
	}
	if trusted, err = jwt.DecodeOperatorClaims(text); err != nil {
		t.Fatal(err)
	}
	o.TrustedOperators, o.AccountResolver, o.SystemAccount = []*jwt.OperatorClaims{trusted}, accounts, system
	return a
}

// user returns the file of credentials of a new user, and his public key.
func (a *authority) user(with func(*jwt.UserClaims)) (creds, public string) {
	a.t.Helper()
	key, public := pair(a.t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(public)
	if with != nil {
		with(claims)
	}
	text, err := claims.Encode(a.account)
	if err != nil {
		a.t.Fatal(err)
	}
	seed, err := key.Seed()
	if err != nil {
		a.t.Fatal(err)
	}
	file, err := jwt.FormatUserConfig(text, seed)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(file), public
}

// A user of an operator's account logs in with his JWT and seed. When the account revokes
// him, his connection ends and nothing is lost: the next write reads the file again.
func TestCredsAreReadAgain(t *testing.T) {
	var a *authority
	p := start(t, func(o *server.Options) { a = operate(t, o) })
	admin, _ := a.user(nil)
	login := client.UserCredentialBytes([]byte(admin))
	p.make(login)
	strange := *a
	strange.account, _ = pair(t, nkeys.CreateAccount)
	first, revoked := a.user(nil)
	second, _ := a.user(nil)
	expired, _ := a.user(func(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Hour).Unix() })
	unknown, _ := strange.user(nil)

	path := file(t, first)
	write := func(creds string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(creds), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := "nats://" + p.addr + "/fairlead?tls=false&creds-file=" + path
	all := map[string]pipeline.Sink{"stream": choose(t, text), "kv": choose(t, text+"&mode=kv")}
	for name, s := range all {
		if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}

	a.claims.Revoke(revoked)
	account, err := p.LookupAccount(a.claims.Subject)
	if err != nil {
		t.Fatal(err)
	}
	p.UpdateAccountClaims(account, a.claims)
	testserver.Poll(t, "the server has ended the connections", func() bool { return account.NumLocalConnections() == 0 })
	batch := []*pipeline.Change{change("a", 2, 9)}
	_, seed, _ := strings.Cut(first, "BEGIN USER NKEY SEED-----\n")
	seed, _, _ = strings.Cut(seed, "\n")
	for name, s := range all {
		write(first)
		sinktest.Fails(t, s.Write(t.Context(), batch))
		for wrong, creds := range map[string]string{"revoked": first, "expired": expired, "of another account": unknown, "empty": "", "a seed alone": seed, "no credentials": "-----BEGIN-----"} {
			write(creds)
			for _, err := range []error{s.Write(t.Context(), batch), s.(sinks.Checker).Check(t.Context())} {
				sinktest.Fails(t, err, "creds-file")
				if wrong == "a seed alone" {
					sinktest.Fails(t, err, "it has no JWT") // and is not sent in its place
				}
				for _, line := range strings.Fields(creds) {
					if len(line) > 40 && strings.Contains(err.Error(), line) {
						t.Errorf("%s, %s: an error shows a credential: %v", name, wrong, err)
					}
				}
			}
		}
		write(second)
		if err := s.Write(t.Context(), batch); err != nil {
			t.Errorf("%s, after the file was replaced: %v", name, err)
		}
	}
	if n := len(p.messages(login)); n != 2 {
		t.Errorf("the stream has %d messages, want 2", n)
	}
}
