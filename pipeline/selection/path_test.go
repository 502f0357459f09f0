package selection

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPaths(t *testing.T) {
	for text, want := range map[string]string{
		"spec":                 "spec",
		" spec , status.phase": "spec|status.phase",
		"{.status.phase}":      "status.phase",
		"$.status.phase":       "status.phase",
		`metadata.labels.app\.kubernetes\.io/name`:  "metadata.labels['app.kubernetes.io/name']",
		`metadata.labels["app.kubernetes.io/name"]`: "metadata.labels['app.kubernetes.io/name']",
		`data['it\'s']`:                  `data['it\'s']`,
		`data['a,b'],data["c]"]`:         `data['a,b']|data['c]']`,
		"spec['containers'][*].image":    "spec.containers[*].image",
		"data.*":                         "data[*]",
		"spec.containers[0].image":       "spec.containers[0].image",
		"status.conditions[?type=Ready]": "status.conditions[?type=Ready]",
		`a[?(@.type=="Ready")].status`:   "a[?type='Ready'].status",
		"a[?port=80]":                    "a[?port=80]",
		"a[?v=1.5]":                      "a[?v='1.5']",
		`a[?'x y'='\\ ']`:                `a[?'x y'='\\ ']`,
	} {
		paths, err := parsePaths(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, p := range paths {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(strings.Split(want, "|"), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestPathsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "a name is missing",
		"spec,":                              "a name is missing",
		"spec..a":                            "a name is missing",
		"spec.":                              "a name is missing",
		"spec[":                              "in brackets stands",
		"spec[]":                             "in brackets stands",
		"spec[-1]":                           "in brackets stands",
		"spec[*":                             "closing ]",
		"spec['a":                            "closing '",
		`spec['a\`:                           "closing '",
		"spec[?a]":                           "[?name=value]",
		"spec[?=b]":                          "[?name=value]",
		"spec[?a=]":                          "a value is missing",
		"spec[?(a=b]":                        "closing )",
		"{spec":                              "closing }",
		"spec status":                        `unexpected 's'`,
		"metadata.labels.é":                  "a name is missing",
		"spec[99999999999999999999]":         "is no index",
		strings.Repeat("spec,", 64) + "spec": "65 paths are too many",
		"a" + strings.Repeat(".a", 32):       "more than 32 steps",
	} {
		if paths, err := parsePaths(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", text, paths, err, want)
		}
	}
}

// What is written comes back as it was read, and nothing makes the parser fail.
func FuzzPaths(f *testing.F) {
	f.Add("spec,status.phase")
	f.Add(`metadata.labels['a.b'],x[*][0].y[?(@.type=="Ready")]['\\\'']`)
	f.Fuzz(func(t *testing.T, text string) {
		paths, err := parsePaths(text)
		if err != nil {
			return
		}
		for _, p := range paths {
			again, err := parsePaths(p.String())
			if err != nil || len(again) != 1 || again[0].String() != p.String() {
				t.Errorf("%q: %q became %v, %v", text, p, again, err)
			}
		}
	})
}

func TestNamesOfPathsAreChecked(t *testing.T) {
	for rule, want := range map[string]string{
		"stauts.phase":              "did you mean status",
		"pods: spec,metadata.label": "did you mean labels",
		"metadata.managedFields":    "is removed before",
		"[0].a":                     "an object is no list",
		"metadata[0]":               "metadata has no such field",
		"customField":               "['customField']",
	} {
		if _, err := parseFieldRule(changedFields, rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", rule, err, want)
		}
	}
	for _, rule := range []string{"['customField'].a", "metadata.*", "*", "['metadata'].labels", "metadata"} {
		if _, err := parseFieldRule(changedFields, rule); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

func TestIdentityIsSpared(t *testing.T) {
	for _, text := range []string{
		"apiVersion", "kind", "metadata", "metadata.name", "['metadata']['uid']", "metadata.*", "*", "*.namespace", "metadata.resourceVersion",
		"metadata.creationTimestamp", "metadata.deletionTimestamp",
	} {
		for _, kind := range []fieldKind{droppedFields, redactedFields} {
			if _, err := parseFieldRule(kind, "spec,"+text); err == nil || !strings.Contains(err.Error(), "identifies the object") {
				t.Errorf("%s %s: %v", kind, text, err)
			}
		}
		if _, err := parseFieldRule(onlyFields, text); err != nil {
			t.Errorf("only %s: %v", text, err)
		}
	}
	if _, err := parseFieldRule(droppedFields, "metadata.labels,metadata.annotations.*,*.*.x"); err != nil {
		t.Error(err)
	}
}
