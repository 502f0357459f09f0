package hub

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// fails expects that a write fails with the hub as a whole, and that the error and that of
// Check say this.
func fails(t *testing.T, s *Sink, says string) {
	t.Helper()
	for name, err := range map[string]error{
		"Write":    s.Write(t.Context(), []*pipeline.Change{state("a", 1), state("b", 2), gone("c", 3)}),
		"Check":    s.Check(t.Context()),
		"ReadBack": s.ReadBack(t.Context(), "alpha", "configmaps", nil),
	} {
		if name == "ReadBack" && strings.Contains(says, "namespace") {
			continue // the list of a namespace that is not there is empty
		}
		if _, partial := err.(*pipeline.BatchError); err == nil || partial || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), says) { //nolint:errorlint // It is not wrapped.
			t.Errorf("%s: %v, want %q", name, err, says)
		}
	}
}

func testNoNamespace(t *testing.T, c *testenv.Cluster, _ string) {
	s := open(t, c.Config(), "nowhere")
	fails(t, s, "kubectl create namespace nowhere")
}

func testForbidden(t *testing.T, c *testenv.Cluster, ns string) {
	nobody, err := c.User("nobody")
	if err != nil {
		t.Fatal(err)
	}
	admin, s := open(t, c.Config(), ns), open(t, nobody, ns)
	fails(t, s, "grant create, patch, list and delete of records")

	// What Check tries is each of the verbs, and is all that the sink needs.
	roles, verbs := "/apis/rbac.authorization.k8s.io/v1/namespaces/"+ns, []string{"create", "patch", "list", "delete"}
	apply(t, admin, roles+"/rolebindings/r", `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"r"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"nobody"}]}`)
	for missing := len(verbs) - 1; missing >= -1; missing-- {
		granted := append([]string{"watch"}, verbs...)
		if missing >= 0 {
			granted[missing+1] = "watch"
		}
		apply(t, admin, roles+"/roles/r", `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r"},
			"rules":[{"apiGroups":["records.fairlead.dev"],"resources":["records"],"verbs":["`+strings.Join(granted, `","`)+`"]}]}`)
		testserver.Poll(t, "the role is in force", func() bool {
			err := s.Check(t.Context())
			if missing < 0 {
				return err == nil
			}
			return err != nil && strings.HasPrefix(err.Error(), verbs[missing]+" a record")
		})
	}
	write(t, s, state("a", 1), state("a", 2), gone("a", 3))
	s.now = func() time.Time { return time.Now().Add(2 * s.o.DeletedFor) }
	if err := s.sweep(t.Context()); err != nil || len(all(t, s)) != 0 {
		t.Errorf("sweep: %v, left %v", err, all(t, s))
	}

	install := open(t, nobody, ns, func(o *Options) { o.Install = true })
	if err := install.Write(t.Context(), []*pipeline.Change{state("a", 1)}); err == nil || !strings.Contains(err.Error(), "leave install out") {
		t.Errorf("install without rights: %v", err)
	}
}

// testCheck finds the hub in order, and stores nothing.
func testCheck(t *testing.T, s *Sink) {
	for range 2 {
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if found := all(t, s); len(found) > 0 {
		t.Errorf("the check has stored %v", found)
	}
}

// A hub without the CRD fails with advice; sinks that install it, several at once, go on,
// also when somebody deletes it.
func TestInstall(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	plain := open(t, c.Config(), "default")
	fails(t, plain, "install=true")
	if err := plain.Write(t.Context(), []*pipeline.Change{state("events", 1)}); err == nil {
		t.Error("written without a CRD")
	}
	// A sink that is opened for a trial finds that it may be made, and does not make it.
	if err := open(t, c.Config(), "default", func(o *Options) { o.Install, o.Trial = true, true }).Check(t.Context()); err != nil {
		t.Errorf("a trial: %v", err)
	}
	if _, err := plain.definition(t.Context()); !isCode(err, http.StatusNotFound) {
		t.Errorf("the CRD after a trial: %v", err)
	}

	var wg sync.WaitGroup
	installing := make([]*Sink, 4)
	for i := range installing {
		installing[i] = open(t, c.Config(), "default", func(o *Options) { o.Install = true })
		wg.Go(func() {
			change := state(string(rune('a'+i)), 1)
			testserver.Poll(t, "it is written", func() bool {
				err := installing[i].Write(t.Context(), []*pipeline.Change{change})
				if err != nil && pipeline.IsPermanent(err) {
					t.Errorf("refused for good: %v", err)
				}
				return err == nil
			})
		})
	}
	wg.Wait()
	if found := all(t, plain); len(found) != len(installing) {
		t.Errorf("there are %d records", len(found))
	}

	// A newer CRD, of a later program, is left alone; an older one is replaced.
	for schema, stays := range map[string]bool{"999": true, "0": false} {
		ask(t.Context(), t, plain, "PATCH", crdPath, "application/merge-patch+json", `{"metadata":{"annotations":{"`+schemaAnnotation+`":"`+schema+`"}}}`, nil)
		again := open(t, c.Config(), "default", func(o *Options) { o.Install = true })
		write(t, again, state("a", 2))
		found, err := again.definition(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := found.Metadata.Annotations[schemaAnnotation]; (got == schema) != stays {
			t.Errorf("the CRD of schema %s has schema %s afterwards", schema, got)
		}
	}

	ask(t.Context(), t, plain, "DELETE", crdPath, "", "", nil)
	next := state("a", 3)
	testserver.Poll(t, "the CRD is made again", func() bool {
		return installing[0].Write(t.Context(), []*pipeline.Change{next}) == nil && len(all(t, plain)) == 1
	})
}

// A CRD without its rules would let older writes win: Check tells.
func TestRulesAreMissing(t *testing.T) {
	c := startHub(t)
	s := open(t, c.Config(), "default")
	ask(t.Context(), t, s, "PATCH", crdPath, "application/json-patch+json", `[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations"}]`, nil)
	testserver.Poll(t, "Check tells of the rules", func() bool {
		err := s.Check(t.Context())
		return err != nil && strings.Contains(err.Error(), "does not hold records to their order")
	})
}
