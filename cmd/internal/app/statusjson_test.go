package app

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"

	"github.com/google/go-cmp/cmp"
)

var updateStatus = flag.Bool("update-status", false, "write testdata/clusters.json")

// TestTheClustersPageKeepsItsFields: programs read what /clusters answers. Each of its
// fields is in testdata/clusters.json once; one that is new, has another name or is
// gone shows here, and belongs into CHANGELOG.md.
func TestTheClustersPageKeepsItsFields(t *testing.T) {
	var s api.Status
	fill(t, reflect.ValueOf(&s).Elem(), "status")
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/clusters.json"
	if *updateStatus {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(must(os.ReadFile(golden))(t)), got.String()); diff != "" {
		t.Errorf("go test ./cmd/internal/app -run %s -update-status writes it anew (-want +got):\n%s", t.Name(), diff)
	}
}

// fill gives everything in v a value that is not zero.
func fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), name)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(t, value, name)
		key := reflect.New(v.Type().Key()).Elem()
		key.SetString("some")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	default:
		t.Fatalf("%s: a test of %s has to be written", name, v.Type())
	}
}
