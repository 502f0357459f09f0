package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testkv"
	"github.com/fairlead-dev/fairlead/locks"
)

// lockStand is a lock that processes elect the leader by.
type lockStand struct {
	name             string             // as /readyz has it
	leader, follower []string           // flags of the first process, and of the others
	lose, restore    func(t testing.TB) // what it is kept in answers nobody until restore; of a Lease there is line
	line             *testenv.Proxy     // between the first process and the hub of a Lease
}

// lockStands are the locks whose backend is of all processes, each in a new record. A
// kind that can be chosen is here, or it is a Lease.
func lockStands(env *testenv.Env) map[string]func(t *testing.T) *lockStand {
	return map[string]func(t *testing.T) *lockStand{
		"etcd": func(t *testing.T) *lockStand {
			s := testkv.StartEtcd(t, testkv.EtcdOptions{})[0]
			return newStand(t, "etcd:"+s.URL+"/fairlead", s)
		},
		"consul": func(t *testing.T) *lockStand {
			s := testkv.StartConsul(t, testkv.ConsulOptions{})
			return newStand(t, "consul:"+s.URL+"/fairlead", s)
		},
		"postgres": func(t *testing.T) *lockStand {
			s := testdb.StartPostgres(t)
			password := testdb.File(t, "password", []byte(s.Password))
			return newStand(t, "postgres://postgres@"+s.Addr()+"/postgres?sslmode=disable&password-file="+password, s)
		},
		"mysql": func(t *testing.T) *lockStand {
			s := testdb.StartMariaDB(t, "--init-file="+testdb.File(t, "init.sql", []byte("CREATE DATABASE IF NOT EXISTS fairlead;\n")))
			return newStand(t, "mysql://root@"+s.Addr()+"/fairlead?tls=false", s)
		},
		"clusters": func(t *testing.T) *lockStand {
			lock, lines := votersOf(t, env)
			return newStand(t, lock, lines)
		},
	}
}

// pausable is what a lock is kept in.
type pausable interface {
	Pause(t testing.TB)
	Resume(t testing.TB)
}

func newStand(t *testing.T, lock string, in pausable) *lockStand {
	flags := []string{"--leader-elect-lock=" + lock}
	return &lockStand{name: must(locks.Parse(lockKinds, lock))(t).Identity, leader: flags, follower: flags, lose: in.Pause, restore: in.Resume}
}

// leaseStand is a Lease in a hub, to which the leader has a line of its own.
func leaseStand(t *testing.T, hub *testenv.Cluster, namespace string) *lockStand {
	line := newProxy(t, hub)
	flags := func(to testenv.Target) []string {
		return []string{"--hub-kubeconfig=" + writeKubeconfig(t, to), "--leader-election-namespace=" + namespace}
	}
	return &lockStand{
		name: "lease:" + namespace + "/fairlead", leader: flags(line), follower: flags(hub), line: line,
	}
}

// voters are lines to clusters that vote.
type voters []*testenv.Proxy

// votersOf returns a lock in all clusters.
func votersOf(t *testing.T, env *testenv.Env) (lock string, lines voters) {
	var names []string
	var targets []testenv.Target
	for _, c := range env.Clusters {
		line := newProxy(t, c)
		names, targets, lines = append(names, c.Name()), append(targets, line), append(lines, line)
	}
	return fmt.Sprintf("clusters:%s?namespace=default&kubeconfig=%s", strings.Join(names, ","), writeKubeconfig(t, targets...)), lines
}

// Pause has a majority of them answer nobody.
func (v voters) Pause(t testing.TB) {
	for _, line := range v[:len(v)/2+1] {
		if err := line.BlackHole(); err != nil {
			t.Fatal(err)
		}
	}
}

// Resume ends Pause.
func (v voters) Resume(t testing.TB) {
	for _, line := range v {
		if err := line.Restore(); err != nil {
			t.Fatal(err)
		}
	}
}
