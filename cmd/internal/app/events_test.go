package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// schemas is the folder of what is published about events.
const schemas = "../../../docs/events"

// eventSchema is the published schema. The recorder holds every event of every
// test against it.
var eventSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c.Compile(filepath.Join(schemas, "event.schema.json"))
})

// followsSchema says what is wrong with an event by the published schema.
func followsSchema(event []byte) error {
	compiled, err := eventSchema()
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

func TestSchemaRefusesWhatIsNoEvent(t *testing.T) {
	const good = `{"specversion":"1.0","type":"dev.fairlead.resource.updated.v1","source":"/clusters/a","subject":"/api/v1/configmaps/n","id":"/v1/configmaps/U/7",` +
		`"datacontenttype":"application/json","cluster":"a","apiversion":"v1","kind":"ConfigMap","name":"n","resourceversion":"7","data":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n"}}}`
	if err := followsSchema([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"updated.v1", "moved.v1"},
		{"updated.v1", "deleted.v1"}, // its id ends otherwise
		{"/clusters/a", "a"},
		{`"cluster":"a",`, ""},
		{"/v1/configmaps/U/7", "U/7"},
		{`"data":{`, `"other":{`}, // no tombstone
		{`"name":"n","resource`, `"tombstone":true,"name":"n","resource`},
		{`"metadata":{`, `"metadata":{"managedFields":[],`},
		{`"specversion":"1.0"`, `"specversion":"0.3"`},
	} {
		if bad := strings.Replace(good, change[0], change[1], 1); followsSchema([]byte(bad)) == nil {
			t.Errorf("with %s for %s it is an event", change[1], change[0])
		}
	}
}

// Names that are unusual, but that Kubernetes, or a provider of clusters, allows.
func TestSchemaTakesUnusualNames(t *testing.T) {
	usual := pipeline.Change{
		Key:    pipeline.Key{Cluster: "a", Resource: "things.ex.io", Namespace: "ns", Name: "n"},
		Origin: &pipeline.Origin{Cluster: "a", ClusterUID: "c0-1", Resource: schema.GroupVersionResource{Group: "ex.io", Version: "v1", Resource: "things"}, Kind: "Thing"},
		Op:     pipeline.Added, UID: "u", ResourceVersion: "7", Object: []byte(`{"apiVersion":"ex.io/v1","kind":"Thing","metadata":{"name":"n"}}`),
	}
	for what, change := range map[string]func(c *pipeline.Change, o *pipeline.Origin){
		"nothing":            func(*pipeline.Change, *pipeline.Origin) {},
		"a context of EKS":   func(c *pipeline.Change, _ *pipeline.Origin) { c.Key.Cluster = "arn:aws:eks:eu-west-1:1:cluster/a" },
		"a Secret's name":    func(c *pipeline.Change, _ *pipeline.Origin) { c.Key.Cluster = "fleet/größe" },
		"no UID":             func(c *pipeline.Change, _ *pipeline.Origin) { c.UID = "" },
		"no cluster UID":     func(_ *pipeline.Change, o *pipeline.Origin) { o.ClusterUID = "" },
		"a version like v-1": func(_ *pipeline.Change, o *pipeline.Origin) { o.Resource.Version = "v1-beta" },
		"a kind like K-8":    func(_ *pipeline.Change, o *pipeline.Origin) { o.Kind = "Kind-8" },
		"a resource like a-b": func(_ *pipeline.Change, o *pipeline.Origin) {
			o.Resource = schema.GroupVersionResource{Version: "v1", Resource: "a-b"}
		},
		"no namespace":   func(c *pipeline.Change, _ *pipeline.Origin) { c.Key.Namespace = "" },
		"a role's name":  func(c *pipeline.Change, _ *pipeline.Origin) { c.Key.Name = "system:a b/c%" },
		"an odd version": func(c *pipeline.Change, _ *pipeline.Origin) { c.ResourceVersion = "a/b" },
		"a deletion":     func(c *pipeline.Change, _ *pipeline.Origin) { c.Op = pipeline.Deleted },
		"a tombstone": func(c *pipeline.Change, _ *pipeline.Origin) {
			c.Op, c.Tombstone, c.Object = pipeline.Deleted, true, nil
		},
		"a bare tombstone": func(c *pipeline.Change, _ *pipeline.Origin) {
			*c = pipeline.Change{Key: c.Key, Origin: c.Origin, Op: pipeline.Deleted, Tombstone: true}
		},
	} {
		c, o := usual, *usual.Origin
		c.Origin = &o
		change(&c, &o)
		if err := followsSchema(c.AppendCloudEvent(nil)); err != nil {
			t.Errorf("with %s: %v\n%s", what, err, c.AppendCloudEvent(nil))
		}
	}
}

// The AsyncAPI document refers to what is there, and its examples are events.
func TestAsyncAPIDocument(t *testing.T) {
	text := must(os.ReadFile(filepath.Join(schemas, "asyncapi.yaml")))(t)
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("asyncapi is %v", doc["asyncapi"])
	}
	var refs, examples int
	var walk func(at string, value any)
	walk = func(at string, value any) {
		switch v := value.(type) {
		case []any:
			for i, item := range v {
				walk(fmt.Sprintf("%s/%d", at, i), item)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				refs++
				if !resolves(doc, ref) {
					t.Errorf("%s: %s leads nowhere", at, ref)
				}
			}
			for name, item := range v {
				walk(at+"/"+name, item)
			}
			payload, isPayload := v["payload"].(map[string]any)
			if !isPayload || payload["$ref"] != nil {
				return
			}
			examples++
			if err := followsSchema(must(json.Marshal(payload))(t)); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	walk("", doc)
	if refs < 8 || examples < 4 {
		t.Errorf("found %d references and %d examples", refs, examples)
	}
}

// resolves reports whether a reference leads to something in the document, or
// to a file beside it.
func resolves(doc map[string]any, ref string) bool {
	inside, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		_, err := os.Stat(filepath.Join(schemas, ref))
		return err == nil
	}
	var at any = doc
	for _, name := range strings.Split(inside, "/") {
		object, ok := at.(map[string]any)
		if !ok || object[name] == nil {
			return false
		}
		at = object[name]
	}
	return true
}

// testEventsFollowTheSchema has every kind of event delivered: of objects with
// and without a namespace, in a group and in none, whole and as metadata, added,
// updated, deleted, and worked out to be deleted.
func testEventsFollowTheSchema(t *testing.T, env *testenv.Env) {
	const ns, secrets = "schema", "schema-secrets"
	o := newObjects(t, env.Cluster("alpha"), ns)
	newObjects(t, env.Cluster("alpha"), secrets)
	h := must(rest.HTTPClientFor(env.Cluster("alpha").Config()))(t)
	t.Cleanup(h.CloseIdleConnections)
	client := must(kubernetes.NewForConfigAndClient(env.Cluster("alpha").Config(), h))(t)
	_, err := client.CoreV1().Secrets(secrets).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "secret"}, StringData: map[string]string{"k": "hidden"},
	}, metav1.CreateOptions{})
	o.check(err)

	flags := []string{
		"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("alpha")), "--ledger=" + filepath.Join(t.TempDir(), "ledger"),
		"--watch=namespaces,clusterroles.rbac.authorization.k8s.io,configmaps?namespace=" + ns, "--watch=secrets?namespace=" + secrets,
	}
	out := newRecorder()
	r := startWith(t, Options{}, out, flags...)
	o.create("deleted")
	o.create("missed")
	r.awaitSame(o)
	o.patch("deleted", "1")
	r.awaitSame(o)
	o.delete("deleted")
	r.awaitSame(o)
	r.await("the Secret", func() bool {
		return slices.ContainsFunc(out.kept(), func(line string) bool { return strings.Contains(line, `"name":"secret"`) })
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	o.delete("missed")
	o.create("missed") // the same name, another object
	r = startWith(t, Options{}, out, flags...)
	r.awaitSame(o)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// What is not selected any more is worked out to be deleted.
	flags[len(flags)-2] += "&labelSelector=selected"
	r = startWith(t, Options{}, out, flags...)
	r.await("a tombstone", func() bool {
		return slices.ContainsFunc(out.kept(), func(line string) bool { return strings.Contains(line, `"tombstone":true`) })
	})

	seen := map[string]int{}
	for _, line := range out.kept() {
		if err := followsSchema([]byte(line)); err != nil {
			t.Errorf("%v in\n%s", err, line)
		}
		for _, what := range []string{
			"added.v1", "updated.v1", "deleted.v1", `"tombstone":true`, `"snapshot":true`, `"kind":"PartialObjectMetadata"`,
			`"apiversion":"rbac.authorization.k8s.io/v1"`, `"kind":"Namespace"`, `"namespace":"schema"`,
		} {
			if strings.Contains(line, what) {
				seen[what]++
			}
		}
		if strings.Contains(line, "hidden") || strings.Contains(line, "aGlkZGVu") {
			t.Error("the value of a Secret is in an event")
		}
	}
	if len(seen) != 9 {
		t.Errorf("not every kind of event came: %v", seen)
	}
}
