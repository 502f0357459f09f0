package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseSpec(t *testing.T) {
	for in, want := range map[string]Spec{
		"configmaps":                            {Resource: "configmaps"},
		" Pods ":                                {Resource: "pods"},
		"deploy.apps":                           {Resource: "deploy", Group: "apps"},
		"deployments.apps/v1":                   {Resource: "deployments", Group: "apps", Version: "v1"},
		"pods/v1":                               {Resource: "pods", Version: "v1"},
		"certificates.cert-manager.io/v1alpha2": {Resource: "certificates", Group: "cert-manager.io", Version: "v1alpha2"},
		"pods?namespace=kube-system":            {Resource: "pods", Namespace: "kube-system"},
		"pods?mode=metadata":                    {Resource: "pods", Metadata: true},
		"pods?labelSelector=app=a,tier!=b,c in (d,e),!f":                       {Resource: "pods", Labels: "app=a,c in (d,e),!f,tier!=b"},
		"pods?labelSelector=app%3Da%2Ctier%3Db":                                {Resource: "pods", Labels: "app=a,tier=b"},
		"pods?fieldSelector=spec.nodeName=n,status.phase!=Running&namespace=a": {Resource: "pods", Namespace: "a", Fields: "spec.nodeName=n,status.phase!=Running"},
		"events?fieldSelector=reason=50%25%20%26%20more":                       {Resource: "events", Fields: "reason=50% & more"},
	} {
		got, err := ParseSpec(in)
		if err != nil || got != want {
			t.Errorf("ParseSpec(%q) = %+v, %v, want %+v", in, got, err, want)
		}
		if again, err := ParseSpec(got.String()); err != nil || again != got {
			t.Errorf("ParseSpec(%q) = %+v, %v, want what it came from", got.String(), again, err)
		}
	}
}

// The texts of rules are no part of a stream's name.
func TestSpecIsNamedWithoutItsRules(t *testing.T) {
	spec, err := ParseSpec("pods?namespace=a&where=object.status.phase == 'Failed'&changed=spec&drop=status&only=spec&preset=heartbeats")
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.String(); got != "pods?namespace=a" {
		t.Errorf("it is named %s", got)
	}
}

func TestParseSpecErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "names no resource",
		"?namespace=a":                  "names no resource",
		"pods.":                         `write "pods"`,
		"pods.core":                     `write "pods"`,
		"po ds":                         "not a resource name",
		"pods.A_b":                      "not an API group",
		"deployments.apps/":             "not an API version",
		"deployments/apps/v1":           "not an API version",
		"pods?namespace":                "namespace has no value",
		"pods?namespace=a,configmaps":   "further resources before it",
		"pods?namespace=a&namespace=b":  "give it once",
		"pods?mode=full":                "only mode is metadata",
		"pods?mode=metadata,configmaps": "further resources before it",
		"pods?labelSelector=a=b=c":      "labelSelector",
		"pods?labelselector=a=b":        "unknown parameter",
		"pods?fieldSelector=a":          "fieldSelector",
		"pods?namespace=%zz":            "question mark",
		"pods?namespace=A&mode=x":       "namespace", // and both at once:
		"pods?mode=x&namespace=A":       "mode",
	} {
		if got, err := ParseSpec(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSpec(%q) = %+v, %v, want an error that says %q", in, got, err, want)
		}
	}
}

func TestParseSpecs(t *testing.T) {
	got, err := ParseSpecs([]string{"configmaps,deployments.apps?labelSelector=a=b,c=d", "pods?namespace=x", "pods?namespace=y"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, spec := range got {
		names = append(names, spec.String())
	}
	want := []string{"configmaps", "deployments.apps?labelSelector=a=b,c=d", "pods?namespace=x", "pods?namespace=y"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("specs (-want +got):\n%s", diff)
	}

	for _, test := range []struct{ in, want []string }{
		{in: nil, want: []string{"name at least one"}},
		{in: []string{"pods,,configmaps"}, want: []string{"names no resource"}},
		{in: []string{"pods,pods"}, want: []string{`"pods" and watch "pods"`}},
		{in: []string{"pods", "pods?namespace=x"}, want: []string{`"pods" and watch "pods?namespace=x"`}},
		{in: []string{"pods?labelSelector=a=b", "pods?labelSelector=a!=b"}, want: []string{"follow the same objects"}},
		{in: []string{"deploy.apps/v1", "deploy.apps"}, want: []string{"follow the same objects"}},
		{in: []string{"a_b", "c_d", "pods?x=y"}, want: []string{"a_b", "c_d", "unknown parameter"}},
	} {
		_, err := ParseSpecs(test.in)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ParseSpecs(%q) = %v, want an error that says %q", test.in, err, want)
			}
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	err := Config{ReconnectMin: time.Hour, StaleAfter: -1, SyncTimeout: -1}.Validate()
	for _, want := range []string{"StaleAfter", "SyncTimeout", "ReconnectMin (1h0m0s) is longer than ReconnectMax (1m0s)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want it to name %s", err, want)
		}
	}
}
