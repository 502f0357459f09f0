package consul_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/testkv"
	"github.com/fairlead-dev/fairlead/locks/consul"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

func TestConformance(t *testing.T) {
	s := testkv.StartConsul(t, testkv.ConsulOptions{})
	locktest.Run(t, backends(s, consul.Options{}, ""))

	t.Run("stopped", func(t *testing.T) {
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			t.Cleanup(func() { s.Resume(t) })
			return locktest.Breakable{Backend: backends(s, consul.Options{}, "")(t), Break: s.Pause, Repair: s.Resume}
		})
	})
	t.Run("killed", func(t *testing.T) {
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			return locktest.Breakable{Backend: backends(s, consul.Options{}, "")(t), Break: s.Kill, Repair: s.Start}
		})
	})
	t.Run("tokens are never given again", func(t *testing.T) { tokensGrow(t, s) })
	t.Run("the same bytes are no write", func(t *testing.T) { sameBytes(t, s) })
}

func TestElection(t *testing.T) {
	s := testkv.StartConsul(t, testkv.ConsulOptions{})
	locktest.RunElection(t, backends(s, consul.Options{}, ""))
	locktest.RunHistories(t, backends(s, consul.Options{}, ""), 3)
}

// The tokens of the tests, which no error may hold.
const (
	management = "b19c3c4e-0000-4000-8000-000000000001"
	token      = "b19c3c4e-0000-4000-8000-000000000002"
)

func TestConformanceWithACLs(t *testing.T) {
	s := testkv.StartConsul(t, testkv.ConsulOptions{ManagementToken: management})
	grant := func(t testing.TB) {
		do(t, s, http.MethodPut, "/v1/acl/token", management, map[string]any{"SecretID": token, "Policies": []any{map[string]string{"Name": "lock"}}})
	}
	do(t, s, http.MethodPut, "/v1/acl/policy", management, map[string]string{"Name": "lock", "Rules": `key_prefix "test/" { policy = "write" }`})
	grant(t)
	o := consul.Options{TokenFile: file(t, token+"\n")}
	locktest.Run(t, backends(s, o, management))

	t.Run("token replaced", func(t *testing.T) {
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			o := o
			o.TokenFile = file(t, token)
			return locktest.Breakable{
				Backend: backends(s, o, management)(t),
				Break:   func(t testing.TB) { write(t, o.TokenFile, strings.Replace(token, "b19", "bad", 1)) },
				Repair:  func(t testing.TB) { write(t, o.TokenFile, token) },
				Secrets: []string{token, management, "c3c4e-0000"},
			}
		})
	})
	t.Run("rights revoked", func(t *testing.T) {
		policy := func(rules string) func(testing.TB) {
			return func(t testing.TB) {
				var all struct{ ID string }
				if err := s.Call(t.Context(), http.MethodGet, "/v1/acl/policy/name/lock", map[string]string{"X-Consul-Token": management}, nil, &all); err != nil {
					t.Fatal(err)
				}
				do(t, s, http.MethodPut, "/v1/acl/policy/"+all.ID, management, map[string]string{"Name": "lock", "Rules": rules})
			}
		}
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			return locktest.Breakable{
				Backend: backends(s, o, management)(t),
				Break:   policy(`key_prefix "other/" { policy = "write" }`),
				Repair:  policy(`key_prefix "test/" { policy = "write" }`),
				Secrets: []string{token, management},
			}
		})
	})
	t.Run("no token", func(t *testing.T) {
		_, _, err := backends(s, consul.Options{}, "")(t).Open(t, "a").Get(t.Context())
		if err == nil || !strings.Contains(err.Error(), "give the token a policy") {
			t.Error(err)
		}
	})
}

func record() resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaseDurationSeconds: 15, AcquireTime: metav1.Now(), RenewTime: metav1.Now()}
}

func create(t testing.TB, l resourcelock.Interface) {
	t.Helper()
	if err := l.Create(t.Context(), record()); err != nil {
		t.Fatal(err)
	}
}

// tokensGrow: also where the record was deleted.
func tokensGrow(t *testing.T, s *testkv.Server) {
	o := consul.Options{Key: "again", Endpoints: []string{s.URL}}
	var last uint64
	for _, identity := range []string{"a", "b", "c"} {
		o.Identity = identity
		l := open(t, o)
		r := record()
		r.HolderIdentity = identity
		if err := l.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := l.Update(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if l.Token() <= last {
			t.Errorf("the token of a later term is %d, after %d", l.Token(), last)
		}
		last = l.Token()
		remove(t, s, "again", "")
	}
}

// sameBytes: to Consul they are no write, so that a later one on the version of before
// succeeds. Package locks counts the writes in the record for that reason.
func sameBytes(t *testing.T, s *testkv.Server) {
	l := open(t, consul.Options{Key: "same", Endpoints: []string{s.URL}, Identity: "a"})
	create(t, l)
	_, before, err := l.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := l.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Update(t.Context(), *r); err != nil { // the record that there is
		t.Fatal(err)
	}
	_, after, err := l.Get(t.Context())
	if err != nil || string(before) == string(after) {
		t.Errorf("an update with the same record leaves the same bytes: %s, %v", after, err)
	}
}

func TestClientCertificates(t *testing.T) {
	files := testkv.NewTLS(t)
	s := testkv.StartConsul(t, testkv.ConsulOptions{TLS: files})
	o := consul.Options{CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey, Timeout: time.Minute}
	b := backends(s, o, "")(t)
	create(t, b.Open(t, "a"))
	if _, _, err := b.Open(t, "b").Get(t.Context()); err != nil {
		t.Error(err)
	}
	for name, o := range map[string]consul.Options{
		"no certificate": {CAFile: files.CA},
		"no CA":          {CertFile: files.ClientCert, KeyFile: files.ClientKey},
		"another name":   {CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey, ServerName: "consul.example"},
	} {
		if _, _, err := backends(s, o, "")(t).Open(t, "c").Get(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOfSeveralAgentsOneIsThere: the others refuse connections, and it is found also
// for a write.
func TestOfSeveralAgentsOneIsThere(t *testing.T) {
	s := testkv.StartConsul(t, testkv.ConsulOptions{})
	gone := testkv.StartConsul(t, testkv.ConsulOptions{})
	gone.Kill(t)
	b := backends(s, consul.Options{Endpoints: []string{gone.URL, s.URL}}, "")(t)
	create(t, b.Open(t, "a"))
}
