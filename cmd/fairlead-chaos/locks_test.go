package main

import (
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/consul"
	"github.com/fairlead-dev/fairlead/locks/etcd"
	"github.com/fairlead-dev/fairlead/locks/mysql"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

// A server of a lock's own can be lost in both ways, and is back with its record.
func TestLockServers(t *testing.T) {
	testenv.Require(t)
	kinds := []locks.Kind{consul.Kind(), etcd.Kind(), mysql.Kind(), postgres.Kind()}
	for _, lock := range []string{"consul", "etcd", "mysql", "postgres"} {
		t.Run(lock, func(t *testing.T) {
			t.Parallel()
			s, err := lockServers[lock](t.Context(), &chaos{options: &options{}, dir: t.TempDir()})
			if err != nil && strings.Contains(err.Error(), "run `make") {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.close(); err != nil {
					t.Error(err)
				}
			}()
			lock, err := locks.Parse(kinds, s.flags[1])
			if err != nil {
				t.Fatal(err)
			}
			holds := func(within time.Duration) error {
				l, err := lock.Open(t.Context(), locks.Env{Identity: "a", Timeout: within})
				if err != nil {
					return err
				}
				defer l.(*locks.Lock).Close()
				_, _, err = l.Get(t.Context())
				return err
			}
			l, err := lock.Open(t.Context(), locks.Env{Identity: "a", Timeout: patience})
			if err != nil {
				t.Fatal(err)
			}
			defer l.(*locks.Lock).Close()
			if err := l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaseDurationSeconds: 15}); err != nil {
				t.Fatal(err)
			}
			for _, silent := range []bool{true, false} {
				if err := s.lose(t.Context(), silent); err != nil || holds(time.Second) == nil {
					t.Errorf("silent: %v: %v, or it answers", silent, err)
				}
				if err := s.restore(t.Context(), silent); err != nil {
					t.Fatal(err)
				}
				if err := holds(patience); err != nil {
					t.Errorf("restored, silent: %v: %v", silent, err)
				}
			}
		})
	}
}
