package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// patience bounds a wait for something that must come about.
const patience = 2 * time.Minute

// The program delivers to a file, is killed, misses deletions and a name that is
// taken again, and goes on; the table is what the API server has.
func TestTableIsWhatTheServerHas(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "edge"})
	cluster := env.Clusters[0]
	ns := cluster.NewNamespace(t)
	httpClient, err := rest.HTTPClientFor(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer httpClient.CloseIdleConnections()
	clientset, err := kubernetes.NewForConfigAndClient(cluster.Config(), httpClient)
	if err != nil {
		t.Fatal(err)
	}
	maps := clientset.CoreV1().ConfigMaps(ns)
	dir := t.TempDir()
	changes := filepath.Join(dir, "changes.jsonl")

	put := func(name, value string) {
		t.Helper()
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"v": value}}
		if _, err := maps.Update(t.Context(), object, metav1.UpdateOptions{}); err == nil {
			return
		}
		if _, err := maps.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string) {
		t.Helper()
		if err := maps.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// agree waits until the table that the file makes is what the server has.
	agree := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		tick := time.NewTicker(poll)
		defer tick.Stop()
		for {
			list, err := maps.List(ctx, metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for _, m := range list.Items {
				want[string(m.UID)] = m.Name + " " + m.ResourceVersion
			}
			got := map[string]string{}
			for _, r := range readTable(t, changes) {
				got[r.UID] = r.Name + " " + r.ResourceVersion
			}
			if fmt.Sprint(got) == fmt.Sprint(want) {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("the table has %v, the server %v", got, want)
			}
		}
	}

	program := buildFairlead(t, dir)
	kubeconfig := filepath.Join(dir, "edge.yaml")
	if err := testenv.WriteKubeconfig(kubeconfig, cluster); err != nil {
		t.Fatal(err)
	}
	begin := func() (kill func(os.Signal)) {
		t.Helper()
		cmd := exec.Command(program, "run", "--clusters=kubeconfig:"+kubeconfig, "--watch=configmaps?namespace="+ns,
			"--sink=file:"+changes, "--ledger="+filepath.Join(dir, "ledger"), "--reconnect-min=200ms", "--reconnect-max=1s",
			"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0")
		cmd.Stderr = t.Output()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killed := false
		kill = func(s os.Signal) {
			if !killed {
				killed = true
				_ = cmd.Process.Signal(s)
				_ = cmd.Wait() // how it ended is not what this is about
			}
		}
		t.Cleanup(func() { kill(os.Kill) })
		return kill
	}

	put("stays", "1")
	put("goes", "1")
	put("returns", "1")
	kill := begin()
	agree()
	put("stays", "2")
	put("comes", "1")
	agree()
	kill(os.Kill)
	remove("goes")
	remove("returns")
	put("returns", "2")
	put("stays", "3")
	kill = begin()
	agree()
	remove("comes")
	agree()
	kill(syscall.SIGTERM)
}

// readTable is what `consumer -once -print` prints; nothing if there is no file
// yet.
func readTable(t *testing.T, path string) (rows []Row) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-once", "-print", path}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// buildFairlead builds the program.
func buildFairlead(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "fairlead")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/fairlead").CombinedOutput()
	if err != nil {
		t.Fatalf("build the program: %v\n%s", err, strings.TrimSpace(string(out)))
	}
	return program
}
