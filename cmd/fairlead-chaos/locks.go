package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testkv"
)

// lockServer is what keeps the record of the election, and how it is taken away.
type lockServer struct {
	flags   []string                                     // by which processes find it
	lose    func(ctx context.Context, silent bool) error // it refuses connections or, silent, does not answer
	restore func(ctx context.Context, silent bool) error // what lose has taken away
	close   func() error
}

// lockServers are the values of --lock. What a kind needs is said here and nowhere else.
var lockServers = map[string]func(ctx context.Context, c *chaos) (*lockServer, error){
	"clusters": func(_ context.Context, c *chaos) (*lockServer, error) { return startVoters(c) },
	"consul":   own(startConsul),
	"etcd":     own(startEtcd),
	"lease":    func(_ context.Context, c *chaos) (*lockServer, error) { return startLease(c) },
	"mysql":    own(startMySQL),
	"postgres": own(startPostgres),
}

// lockNames returns the values of --lock.
func lockNames() []string { return slices.Sorted(maps.Keys(lockServers)) }

// leastMembers is how many members it takes to elect by a lock.
func leastMembers(lock string) int {
	if lock == "clusters" {
		return 3
	}
	return 1
}

// startLease has a Lease in the first member, which is reached on a line of its own.
func startLease(c *chaos) (*lockServer, error) {
	return overLines(c.fleet.members[:1], filepath.Join(c.dir, "hub.kubeconfig"), func(path string) []string {
		return []string{"--hub-kubeconfig", path, "--leader-elect-lock", "lease:" + writtenTo[0] + "/fairlead"}
	})
}

// startVoters has a Lease in each member, which are reached on lines of their own. It is
// lost with the most of them.
func startVoters(c *chaos) (*lockServer, error) {
	return overLines(c.fleet.members, filepath.Join(c.dir, "voters.kubeconfig"), func(path string) []string {
		var names []string
		for _, m := range c.fleet.members {
			names = append(names, m.Name)
		}
		return []string{"--leader-elect-lock", fmt.Sprintf("clusters:%s?namespace=%s&kubeconfig=%s", strings.Join(names, ","), writtenTo[0], path)}
	})
}

// overLines has a lock in members, whose lines of their own path describes. It is lost
// when more than half of them are.
func overLines(members []*member, path string, flags func(path string) []string) (*lockServer, error) {
	var lines []*testenv.Proxy
	var targets []testenv.Target
	for _, m := range members {
		line, err := m.Cluster.NewProxy()
		if err != nil {
			return nil, err
		}
		lines, targets = append(lines, line), append(targets, line)
	}
	if err := testenv.WriteKubeconfig(path, targets...); err != nil {
		return nil, err
	}
	turn := 0 // of whom the majority begins with
	lost := func() []*testenv.Proxy {
		from := slices.Concat(lines[turn:], lines[:turn])
		return from[:len(lines)/2+1]
	}
	return &lockServer{
		flags: flags(path),
		lose: func(_ context.Context, silent bool) error {
			var errs []error
			for _, line := range lost() {
				if silent {
					errs = append(errs, line.BlackHole())
				} else {
					line.Cut()
				}
			}
			return errors.Join(errs...)
		},
		restore: func(context.Context, bool) error {
			var errs []error
			for _, line := range lost() {
				errs = append(errs, line.Restore())
			}
			turn = (turn + 1) % len(lines)
			return errors.Join(errs...)
		},
		close: func() error { return nil }, // the fleet's
	}, nil
}

// server is one process that keeps the record, as internal/testkv and internal/testdb
// have it.
type server interface {
	Kill(t testing.TB)
	Start(t testing.TB) // after Kill, with the data of before
	Pause(t testing.TB)
	Resume(t testing.TB)
}

// own has a server of the lock's own, which is reached by the lock that start returns.
func own(start func(t testing.TB) (s server, lock string)) func(context.Context, *chaos) (*lockServer, error) {
	return func(ctx context.Context, c *chaos) (*lockServer, error) {
		dir := filepath.Join(c.dir, "lock")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make a folder for the lock: %w", err)
		}
		rig := lab.NewRig(dir)
		var s server
		var lock string
		if err := rig.Do(ctx, func(t testing.TB) { s, lock = start(t) }); err != nil {
			return nil, errors.Join(err, rig.Close())
		}
		return &lockServer{
			flags: []string{"--leader-elect-lock", lock},
			lose: func(ctx context.Context, silent bool) error {
				if silent {
					return rig.Do(ctx, s.Pause)
				}
				return rig.Do(ctx, s.Kill)
			},
			restore: func(ctx context.Context, silent bool) error {
				if silent {
					return rig.Do(ctx, s.Resume)
				}
				return rig.Do(ctx, s.Start)
			},
			close: rig.Close,
		}, nil
	}
}

func startEtcd(t testing.TB) (server, string) {
	s := testkv.StartEtcd(t, testkv.EtcdOptions{Sync: true})[0]
	return s, "etcd:" + s.URL + "/fairlead"
}

func startConsul(t testing.TB) (server, string) {
	s := testkv.StartConsul(t, testkv.ConsulOptions{})
	return s, "consul:" + s.URL + "/fairlead"
}

func startPostgres(t testing.TB) (server, string) {
	s := testdb.StartPostgres(t)
	password := testdb.File(t, "password", []byte(s.Password))
	return s, "postgres://postgres@" + s.Addr() + "/postgres?sslmode=disable&password-file=" + password
}

func startMySQL(t testing.TB) (server, string) {
	init := testdb.File(t, "init.sql", []byte("CREATE DATABASE IF NOT EXISTS fairlead;\n"))
	s := testdb.StartMariaDB(t, "--init-file="+init)
	return s, "mysql://root@" + s.Addr() + "/fairlead?tls=false"
}
