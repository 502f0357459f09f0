package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestRecords(t *testing.T) {
	c := startHub(t)
	for name, test := range map[string]func(t *testing.T, c *testenv.Cluster, ns string){
		"an earlier term": func(t *testing.T, c *testenv.Cluster, ns string) {
			testEarlierTerm(t, open(t, c.Config(), ns), open(t, c.Config(), ns))
		},
		"several at once": func(t *testing.T, c *testenv.Cluster, ns string) {
			testRace(t, open(t, c.Config(), ns), open(t, c.Config(), ns), open(t, c.Config(), ns))
		},
		"sweep":             func(t *testing.T, c *testenv.Cluster, ns string) { testSweep(t, open(t, c.Config(), ns)) },
		"what is asked for": testQueries,
		"strict fields":     testStrict,
		"metadata":          testMetadata,
		"skipped":           testSkipped,
		"unreadable":        testUnreadable,
		"denied":            testDenied,
		"quota":             testQuota,
		"page":              testPage,
		"check":             func(t *testing.T, c *testenv.Cluster, ns string) { testCheck(t, open(t, c.Config(), ns)) },
		"no namespace":      testNoNamespace,
		"forbidden":         testForbidden,
	} {
		t.Run(name, func(t *testing.T) { test(t, c, c.NewNamespace(t)) })
	}
}

// testQueries asks as the page tells users to.
func testQueries(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns)
	long := state("long", 1)
	long.Key.Namespace = strings.Repeat("n", 64)
	other := state("other", 1)
	other.Key.Cluster = "beta"
	write(t, s, state("a", 1), gone("b", 1), long, other)
	for query, want := range map[string][]string{
		"labelSelector=cluster=alpha":                        {"a", "b", "long"},
		"labelSelector=cluster=alpha,!deleted":               {"a", "long"},
		"labelSelector=deleted":                              {"b"},
		"labelSelector=resource=configmaps,namespace=ns":     {"a", "b", "other"},
		"fieldSelector=spec.cluster=alpha,spec.name=a":       {"a"},
		"fieldSelector=spec.namespace=" + long.Key.Namespace: {"long"},
		"labelSelector=cluster=gamma":                        {},
	} {
		name, value, _ := strings.Cut(query, "=")
		text := ask(t.Context(), t, s, http.MethodGet, s.path(""), "", "", url.Values{name: {value}})
		var found struct{ Items []record }
		if err := json.Unmarshal(text, &found); err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, r := range found.Items {
			got = append(got, r.Spec.Name)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	// What kubectl get shows.
	text, err := s.client.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: s.path(RecordName(state("a", 1).Key)), Accept: "application/json;as=Table;g=meta.k8s.io;v=v1"}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		ColumnDefinitions []struct{ Name string }
		Rows              []struct{ Cells []any }
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	shown := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		shown[column.Name] = table.Rows[0].Cells[i]
	}
	for column, want := range map[string]any{"Cluster": "alpha", "Resource": "configmaps", "Namespace": "ns", "Object": "a", "Version": "1"} {
		if shown[column] != want {
			t.Errorf("column %s shows %v, want %v", column, shown[column], want)
		}
	}
}

// testStrict sends records with all fields as the API server takes them when it ignores
// none; and one with a field that there is not, for the test to show something.
func testStrict(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns)
	strict := url.Values{"dryRun": {"All"}, "fieldValidation": {"Strict"}}
	ask(t.Context(), t, s, http.MethodPatch, crdPath, apiclient.TypeApply, string(CRD()), url.Values{"dryRun": {"All"}, "fieldValidation": {"Strict"}, "fieldManager": {"test"}, "force": {"true"}})
	write(t, s, state("a", 1))
	for _, change := range []*pipeline.Change{state("b", 1), gone("b", 2), state("a", 2), gone("a", 2)} {
		r, err := recordOf(change, true, s.now())
		if err != nil {
			t.Fatal(err)
		}
		if change.Key.Name == "a" {
			err = s.replace(t.Context(), r, strict)
		} else {
			err = s.create(t.Context(), r, strict)
		}
		if err != nil {
			t.Errorf("%s of %s: %v", change.Op, change.Key, err)
		}
	}
	body := `{"apiVersion":"records.fairlead.dev/v1alpha1","kind":"Record","metadata":{"name":"x"},"spec":{"cluster":"a","resource":"r","name":"n","term":"00000000000000000001","sequence":"00000000000000000001","more":1}}`
	_, err := s.client.Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: s.path(""), Query: strict, ContentType: apiclient.TypeJSON, Body: []byte(body)}, maxWritten)
	if !isCode(err, http.StatusBadRequest) {
		t.Errorf("a record with an unknown field: %v", err)
	}
	// Numbers that strings do not order are refused.
	body = strings.Replace(strings.Replace(body, `,"more":1`, "", 1), "00000000000000000001", "1", 1)
	_, err = s.client.Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: s.path(""), Query: strict, ContentType: apiclient.TypeJSON, Body: []byte(body)}, maxWritten)
	if !isCode(err, http.StatusUnprocessableEntity) {
		t.Errorf("a record with a term of one digit: %v", err)
	}
}

func testMetadata(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns, func(o *Options) { o.Full = false })
	secret := state("a", 1)
	secret.Object = []byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","labels":{"app":"<shop>"},"annotations":{
		"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":\"canary\"}","note":"kept"}},"data":{"password":"canary"},"stringData":1}`)
	write(t, s, secret)
	got := all(t, s)["a"]
	var object any
	if err := json.Unmarshal(got.Spec.Object, &object); err != nil {
		t.Fatal(err)
	}
	want := any(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{
		"name": "a", "labels": map[string]any{"app": "<shop>"}, "annotations": map[string]any{"note": "kept"},
	}})
	if diff := cmp.Diff(want, object); diff != "" {
		t.Errorf("the object (-want +got):\n%s", diff)
	}
	if got.Spec.ClusterUID != "6d1f0b1e" || got.Spec.APIVersion != "v1" || got.Spec.Kind != "ConfigMap" || got.Spec.UID != secret.UID || !got.Spec.Observed.Equal(secret.Observed) {
		t.Errorf("the record: %+v", got.Spec)
	}
}

func testSkipped(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns)
	var batch []*pipeline.Change
	for _, resource := range []string{own, "events", "events.events.k8s.io", "events.example.com"} {
		c := state("a", 1)
		c.Key.Resource = resource
		batch = append(batch, c)
	}
	write(t, s, batch...)
	write(t, s, batch[:3]...)
	found := all(t, s)
	if len(found) != 1 || found["a"].Spec.Resource != "events.example.com" {
		t.Errorf("records %v", slices.Collect(maps.Keys(found)))
	}
	if n := testutil.ToFloat64(s.metrics.skipped); n != 6 {
		t.Errorf("%v changes count as skipped", n)
	}
}

// testUnreadable writes what the hub cannot take, as a new record and in place of one:
// it is refused for good, by itself, and the error does not show the object.
func testUnreadable(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns)
	for name, object := range map[string]string{
		"number": `{"canary":"canary","data":1e200000}`,
		"large":  `{"canary":"` + strings.Repeat("canary", 1<<18) + `"}`,
		"larger": `{"canary":"` + strings.Repeat("canary", 400_000) + `"}`,
		"huge":   `{"canary":"` + strings.Repeat("canary", 1<<19) + `"}`,
		"text":   `"canary"`,
		"torn":   `{"canary":`,
	} {
		for _, v := range []int{1, 3} { // made, replaced
			bad := state(name, v)
			bad.Object = []byte(object)
			err := s.Write(t.Context(), []*pipeline.Change{bad, state("after-"+name, v)})
			reason := refusalOf(t, err)
			if !pipeline.IsPermanent(reason) || strings.Contains(reason.Error(), "canary") {
				t.Errorf("%s, version %d: %.300v", name, v, reason)
			}
			if got := all(t, s)["after-"+name].Spec.ResourceVersion; got != bad.ResourceVersion {
				t.Errorf("%s, version %d: the other one has version %q", name, v, got)
			}
			write(t, s, state(name, v+1))
		}
	}
}

// testDenied has an admission policy refuse one record: that holds up neither the others
// nor, once the policy is gone, itself.
func testDenied(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns)
	const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/denied"
	const bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/denied"
	apply(t, s, policies, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"denied"},"spec":{
		"matchConstraints":{"resourceRules":[{"apiGroups":["records.fairlead.dev"],"apiVersions":["*"],"operations":["*"],"resources":["records"]}]},
		"validations":[{"expression":"!has(object.spec) || object.spec.name != 'denied'","message":"not that one","reason":"Forbidden"}]}}`)
	apply(t, s, bindings, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"denied"},"spec":{
		"policyName":"denied","validationActions":["Deny"],"matchResources":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"`+ns+`"}}}}}`)
	v := 1
	testserver.Poll(t, "the policy is in force", func() bool {
		err := s.Write(t.Context(), []*pipeline.Change{state("denied", v)})
		v++
		return err != nil
	})
	err := s.Write(t.Context(), []*pipeline.Change{state("denied", v), state("denied", v+1), state("b", 1)})
	if reason := refusalOf(t, err); pipeline.IsPermanent(reason) || !strings.Contains(reason.Error(), "not that one") {
		t.Errorf("refused with: %v", reason)
	}
	if partial := err.(*pipeline.BatchError); partial.Failed[1] == nil || partial.Failed[2] != nil { //nolint:errorlint // It is one.
		t.Errorf("refused: %v", partial.Failed)
	}
	ask(t.Context(), t, s, http.MethodDelete, bindings, "", "", nil)
	testserver.Poll(t, "the policy is gone", func() bool { return s.Write(t.Context(), []*pipeline.Change{state("denied", v+1)}) == nil })
}

// testQuota uses a quota up, which is about the hub: no record is refused, and the error names
// the quota until it is raised. Nobody counts here but the admission of the API server.
func testQuota(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns)
	path := "/api/v1/namespaces/" + ns + "/resourcequotas/few"
	apply(t, s, path, `{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"few"},"spec":{"hard":{"count/records.records.fairlead.dev":"9"}}}`)
	raise := func(hard string) {
		ask(t.Context(), t, s, http.MethodPatch, path+"/status", "application/merge-patch+json",
			`{"status":{"hard":{"count/records.records.fairlead.dev":"`+hard+`"},"used":{"count/records.records.fairlead.dev":"1"}}}`, nil)
	}
	n := 0
	next := func() error { // makes another record
		n++
		return s.Write(t.Context(), []*pipeline.Change{state(fmt.Sprint("new-", n), 1)})
	}
	raise("1")
	testserver.Poll(t, "the quota is used up", func() bool {
		err := next()
		if _, partial := errors.AsType[*pipeline.BatchError](err); partial || pipeline.IsPermanent(err) {
			t.Fatalf("it is about the record: %v", err)
		}
		return err != nil && strings.Contains(err.Error(), "a quota of namespace "+ns+" of the hub is used up") && strings.Contains(err.Error(), "raise it")
	})
	raise("5")
	testserver.Poll(t, "the quota is raised", func() bool { return next() == nil })
}

func TestRecordName(t *testing.T) {
	seen := map[string]pipeline.Key{}
	for _, k := range []pipeline.Key{
		{Cluster: "a", Resource: "b", Namespace: "c", Name: "d"}, {Cluster: "ab", Resource: "", Namespace: "c", Name: "d"},
		{Cluster: "a", Resource: "b", Name: "cd"}, {Cluster: "a", Resource: "b", Namespace: "cd"}, {Cluster: "a", Resource: "b", Namespace: "c\x00d"},
	} {
		name := RecordName(k)
		if other, twice := seen[name]; twice || len(name) != 32 || len(validation.IsDNS1123Subdomain(name)) > 0 {
			t.Errorf("%v has the name %q, and so has %v", k, name, other)
		}
		seen[name] = k
	}
	if got, want := RecordName(pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: "a"}), "0d57ae4e3748402000d9d2eb37d6872b"; got != want {
		t.Errorf("the name has changed: %s; each record would be made again", got)
	}
}

func TestLabelValue(t *testing.T) {
	for text, same := range map[string]bool{"": true, "alpha": true, "deployments.apps": true, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, "a/b": false, "-a": false, "ü": false} {
		value := LabelValue(text)
		if (value == text) != same || len(validation.IsValidLabelValue(value)) > 0 {
			t.Errorf("the label of %q is %q", text, value)
		}
	}
	if LabelValue("a/b") == LabelValue("a/c") {
		t.Error("two texts have the same label")
	}
}
