package etcd_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2" //nolint:depguard // To silence what client-go logs.

	"github.com/fairlead-dev/fairlead/internal/testkv"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/etcd"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	if url := os.Getenv(childEnv); url != "" {
		if err := stand(url); err != nil {
			fmt.Println(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// childEnv turns this test program into a process that stands in elections: it holds
// the URL of a server. The arguments are key and identity.
const childEnv = "FAIRLEAD_TEST_LOCK"

func stand(url string) error {
	l, err := etcd.New(etcd.Options{Endpoints: []string{url}, Key: os.Args[1], Identity: os.Args[2]})
	if err != nil {
		return err
	}
	return locktest.Stand(l, os.Stdin, os.Stdout)
}

// open returns a lock that is closed with the test.
func open(t testing.TB, o etcd.Options) *locks.Lock {
	t.Helper()
	l, err := etcd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

var keys atomic.Int64

// backends returns records of an etcd, for locks with these options. header is that of
// requests with which an operator deletes them.
func backends(s *testkv.Server, o etcd.Options, header func(testing.TB) map[string]string) locktest.New {
	return func(testing.TB) locktest.Backend {
		o := o
		o.Key = "test/lock-" + strconv.FormatInt(keys.Add(1), 10)
		if o.Endpoints == nil {
			o.Endpoints = []string{s.URL}
		}
		return locktest.Backend{
			Open: func(t testing.TB, identity string) resourcelock.Interface {
				o := o
				o.Identity = identity
				return open(t, o)
			},
			Delete: func(t testing.TB) { remove(t, s, o.Key, header) },
			Process: func(_ testing.TB, identity string) *exec.Cmd {
				cmd := exec.Command(os.Args[0], o.Key, identity)
				cmd.Env = append(os.Environ(), childEnv+"="+o.Endpoints[0])
				return cmd
			},
		}
	}
}

func remove(t testing.TB, s *testkv.Server, key string, header func(testing.TB) map[string]string) {
	t.Helper()
	var h map[string]string
	if header != nil {
		h = header(t)
	}
	var answer struct{ Deleted string }
	err := s.Call(t.Context(), http.MethodPost, "/v3/kv/deleterange", h, map[string]any{"key": []byte(key)}, &answer)
	if err != nil || answer.Deleted != "1" {
		t.Fatalf("delete %s: %+v, %v", key, answer, err)
	}
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	return path
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
