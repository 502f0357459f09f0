package etcd_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/testkv"
	"github.com/fairlead-dev/fairlead/locks/etcd"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

func TestConformance(t *testing.T) {
	s := testkv.StartEtcd(t, testkv.EtcdOptions{})[0]
	locktest.Run(t, backends(s, etcd.Options{}, nil))

	t.Run("stopped", func(t *testing.T) {
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			t.Cleanup(func() { s.Resume(t) })
			return locktest.Breakable{Backend: backends(s, etcd.Options{}, nil)(t), Break: s.Pause, Repair: s.Resume}
		})
	})
	t.Run("killed", func(t *testing.T) {
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			return locktest.Breakable{Backend: backends(s, etcd.Options{}, nil)(t), Break: s.Kill, Repair: s.Start}
		})
	})
}

func TestElection(t *testing.T) {
	s := testkv.StartEtcd(t, testkv.EtcdOptions{})[0]
	locktest.RunElection(t, backends(s, etcd.Options{}, nil))
	locktest.RunHistories(t, backends(s, etcd.Options{}, nil), 3)
}

// The credentials of the tests, which no error may hold.
const (
	user                   = "fairlead"
	password, rootPassword = "pa55word-of-the-lock", "pa55word-of-root"
)

func TestConformanceWithAuthentication(t *testing.T) {
	s := testkv.StartEtcd(t, testkv.EtcdOptions{})[0]
	auth := s.EnableAuth(t, rootPassword, user, password)
	grant := func(t testing.TB) {
		auth.Do(t, "auth/role/grant", map[string]any{"name": user, "perm": map[string]any{"permType": "READWRITE", "key": []byte("test/"), "range_end": []byte("test0")}})
	}
	grant(t)
	o := etcd.Options{User: user, PasswordFile: file(t, password+"\n")}
	locktest.Run(t, backends(s, o, auth.As))

	t.Run("rights revoked", func(t *testing.T) {
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			return locktest.Breakable{
				Backend: backends(s, o, auth.As)(t),
				Break: func(t testing.TB) {
					auth.Do(t, "auth/role/revoke", map[string]any{"role": user, "key": []byte("test/"), "range_end": []byte("test0")})
				},
				Repair: grant, Secrets: []string{password, rootPassword},
			}
		})
	})
	t.Run("password changed", func(t *testing.T) {
		locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
			o := o
			o.PasswordFile = file(t, password)
			change := func(t testing.TB, to string) {
				auth.Do(t, "auth/user/changepw", map[string]any{"name": user, "password": to})
			}
			change(t, password)
			return locktest.Breakable{
				Backend: backends(s, o, auth.As)(t),
				// The token of before is refused, and then the password.
				Break: func(t testing.TB) { change(t, "another-password") },
				Repair: func(t testing.TB) {
					change(t, password+"-2")
					write(t, o.PasswordFile, password+"-2")
				},
				Secrets: []string{password, "another-password"},
			}
		})
	})
	t.Run("etcd has forgotten the token", func(t *testing.T) {
		o := o
		o.PasswordFile = file(t, password+"-2")
		l := backends(s, o, auth.As)(t).Open(t, "a")
		create(t, l)
		s.Kill(t)
		s.Start(t)
		renew(t, l)
	})
	t.Run("no user", func(t *testing.T) {
		_, _, err := backends(s, etcd.Options{}, auth.As)(t).Open(t, "a").Get(t.Context())
		if err == nil || !strings.Contains(err.Error(), "give a user") {
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

func renew(t testing.TB, l resourcelock.Interface) {
	t.Helper()
	if err := l.Update(t.Context(), record()); err != nil {
		t.Error(err)
	}
}

func TestClientCertificates(t *testing.T) {
	files := testkv.NewTLS(t)
	s := testkv.StartEtcd(t, testkv.EtcdOptions{TLS: files})[0]
	o := etcd.Options{CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey}
	b := backends(s, o, nil)(t)
	create(t, b.Open(t, "a"))
	if _, _, err := b.Open(t, "b").Get(t.Context()); err != nil {
		t.Error(err)
	}
	for name, o := range map[string]etcd.Options{
		"no certificate": {CAFile: files.CA},
		"no CA":          {CertFile: files.ClientCert, KeyFile: files.ClientKey},
		"another name":   {CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey, ServerName: "etcd.example"},
	} {
		if _, _, err := backends(s, o, nil)(t).Open(t, "c").Get(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestATokenIsNeverGivenAgain: also if the record was deleted.
func TestATokenIsNeverGivenAgain(t *testing.T) {
	s := testkv.StartEtcd(t, testkv.EtcdOptions{})[0]
	o := etcd.Options{Key: "again", Endpoints: []string{s.URL}}
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
		remove(t, s, "again", nil)
	}
}

// TestMembersFail: of three members one is down and later another, each in turn is
// stopped, and the lock goes on with those that are left.
func TestMembersFail(t *testing.T) {
	members := testkv.StartEtcd(t, testkv.EtcdOptions{Members: 3})
	o := etcd.Options{}
	for _, m := range members {
		o.Endpoints = append(o.Endpoints, m.URL)
	}
	l := backends(members[0], o, nil)(t).Open(t, "a")
	create(t, l)
	for i, m := range members {
		for name, fault := range map[string]struct{ begin, end func(testing.TB) }{
			"killed": {m.Kill, m.Start}, "stopped": {m.Pause, m.Resume},
		} {
			fault.begin(t)
			// As the elector does it: an update, and if that fails Get and another.
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			for {
				err := l.Update(ctx, record())
				if err == nil {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("member %d %s: %v", i, name, err)
				}
				if r, _, err := l.Get(ctx); err == nil && r.HolderIdentity != "a" {
					t.Fatalf("the holder is %q", r.HolderIdentity)
				}
			}
			cancel()
			fault.end(t)
		}
	}
}
