package sbom

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fairlead-dev/fairlead/internal/notices"
)

// required says what SPDX 2.3 asks of the fields that there are: which ones are needed, of
// what form, and that others are not known.
const required = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false,
  "required": ["SPDXID", "creationInfo", "dataLicense", "documentNamespace", "name", "packages", "relationships", "spdxVersion"],
  "properties": {
    "spdxVersion": {"const": "SPDX-2.3"}, "dataLicense": {"const": "CC0-1.0"}, "SPDXID": {"const": "SPDXRef-DOCUMENT"},
    "name": {"type": "string", "minLength": 1},
    "documentNamespace": {"type": "string", "pattern": "^https://[^#]+$"},
    "creationInfo": {
      "type": "object", "additionalProperties": false, "required": ["created", "creators"],
      "properties": {
        "created": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"},
        "creators": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^(Person|Organization|Tool): ."}}
      }
    },
    "packages": {"type": "array", "items": {
      "type": "object", "additionalProperties": false, "required": ["SPDXID", "downloadLocation", "name"],
      "properties": {
        "SPDXID": {"$ref": "#/$defs/id"}, "name": {"type": "string", "minLength": 1}, "versionInfo": {"type": "string"},
        "primaryPackagePurpose": {"enum": ["APPLICATION", "LIBRARY", "FILE"]},
        "downloadLocation": {"const": "NOASSERTION"}, "filesAnalyzed": {"const": false},
        "licenseConcluded": {"const": "NOASSERTION"}, "copyrightText": {"const": "NOASSERTION"},
        "licenseDeclared": {"type": "string", "pattern": "^[A-Za-z0-9.-]+( AND [A-Za-z0-9.-]+)*$"},
        "comment": {"type": "string"},
        "checksums": {"type": "array", "items": {
          "type": "object", "additionalProperties": false, "required": ["algorithm", "checksumValue"],
          "properties": {"algorithm": {"const": "SHA256"}, "checksumValue": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}}},
        "externalRefs": {"type": "array", "items": {
          "type": "object", "additionalProperties": false, "required": ["referenceCategory", "referenceLocator", "referenceType"],
          "properties": {"referenceCategory": {"const": "PACKAGE-MANAGER"}, "referenceType": {"const": "purl"}, "referenceLocator": {"type": "string", "pattern": "^pkg:golang/[^ ]+@[^ ]+$"}}}}
      }
    }},
    "relationships": {"type": "array", "items": {
      "type": "object", "additionalProperties": false, "required": ["spdxElementId", "relatedSpdxElement", "relationshipType"],
      "properties": {"spdxElementId": {"$ref": "#/$defs/id"}, "relatedSpdxElement": {"$ref": "#/$defs/id"}, "relationshipType": {"enum": ["DESCRIBES", "DEPENDS_ON"]}}
    }}
  },
  "$defs": {"id": {"type": "string", "pattern": "^SPDXRef-[a-zA-Z0-9.-]+$"}}
}`

// built is a small program of this repository, which is linked with two modules.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-sbom-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "report")
	output, err := exec.Command("go", "build", "-o", path, "../../bench/report").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, output)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code) //nolint:forbidigo // As go test does.
}

func options(t *testing.T) Options {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	linked, err := notices.Linked(t.Context(), "../..", "./bench/report")
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Program: program, Name: "test", Version: "v1.2.3", Licence: "Apache-2.0", Created: time.Unix(1700000000, 5), Linked: linked,
		Also: []Part{{Name: "ca-certificates", Version: "2026", Licence: "MPL-2.0"}},
	}
}

func TestDocumentIsSPDX(t *testing.T) {
	document, err := New(options(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(required))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("spdx.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("spdx.json")
	if err != nil {
		t.Fatal(err)
	}
	content, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(content); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	again, err := New(options(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(document, again); diff != "" {
		t.Errorf("made twice:\n%s", diff)
	}
}

// Whatever is linked in is told, with its licence, and described or depended on.
func TestDocumentIsComplete(t *testing.T) {
	document, err := New(options(t))
	if err != nil {
		t.Fatal(err)
	}
	licences := map[string]string{}
	for _, p := range document.Packages {
		licences[p.Name] = p.LicenseDeclared
		related := func(r Relationship) bool { return r.RelatedSPDXElement == p.SPDXID }
		if !slices.ContainsFunc(document.Relationships, related) {
			t.Errorf("%s is related to nothing", p.Name)
		}
	}
	for name, want := range map[string]string{
		"test": "Apache-2.0", "stdlib": "BSD-3-Clause", "github.com/spf13/cobra": "Apache-2.0", "github.com/spf13/pflag": "BSD-3-Clause",
		"ca-certificates": "MPL-2.0",
	} {
		if licences[name] != want {
			t.Errorf("the licence of %s is %q, want %q", name, licences[name], want)
		}
	}
}

// A module without a known licence cannot be left out by mistake.
func TestUnknownModuleIsAnError(t *testing.T) {
	o := options(t)
	o.Linked = slices.DeleteFunc(o.Linked, func(p notices.Package) bool { return p.Module.Path == "github.com/spf13/pflag" })
	if document, err := New(o); err == nil || !strings.Contains(err.Error(), "github.com/spf13/pflag") {
		t.Errorf("%v, %v", document, err)
	}
	o.Program = "sbom.go"
	if _, err := New(o); err == nil {
		t.Error("a text counts as a program")
	}
}
