package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

// The folders that can be applied.
var (
	hubFolders    = []string{"base", "hub-secrets", "hub-clusterprofiles", "hub-records", "hub-memberclusters", "leader-election", "leader-label", "example/hub"}
	memberFolders = []string{"member", "member-everything", "voter", "example/member"}
)

// known are the types that manifests are of.
var known = func() *runtime.Scheme {
	all := runtime.NewScheme()
	utilruntime.Must(errors.Join(scheme.AddToScheme(all), apiextensionsv1.AddToScheme(all)))
	return all
}()

// strict refuses unknown and repeated fields, so that a typo fails here rather
// than being ignored by a cluster.
var strict = json.NewSerializerWithOptions(json.DefaultMetaFactory, known, known,
	json.SerializerOptions{Yaml: true, Strict: true})

func decode(text []byte) ([]runtime.Object, error) {
	var objects []runtime.Object
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
		objects = append(objects, object)
	}
}

var rendered sync.Map // by folder

// render returns what a folder of this one, or any other, is to kubectl apply
// --kustomize, in that order; or what a chart is under the name of a rendering.
func render(t *testing.T, folder string) []runtime.Object {
	t.Helper()
	objects, err := decode(kustomize(t, folder))
	if err != nil {
		t.Fatalf("kustomize build %s: %v", folder, err)
	}
	return objects
}

// kustomize returns the YAML that render decodes.
func kustomize(t *testing.T, folder string) []byte {
	t.Helper()
	build := func() ([]byte, error) { return build(folder) }
	if chart, ok := renderings[folder]; ok {
		chartFiles(t)
		helm := testhelm.Require(t)
		build = func() ([]byte, error) { return chart.template(context.Background(), helm) }
	}
	once, _ := rendered.LoadOrStore(folder, sync.OnceValues(build))
	text, err := once.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func build(folder string) ([]byte, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	command := exec.Command("go", "tool", "-modfile=tools/go.mod", "kustomize", "build", "--reorder=none", path)
	command.Dir = ".."
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("kustomize build %s: %w\n%s", folder, err, &stderr)
	}
	return stdout.Bytes(), nil
}

// named returns the object of a type and a name that a folder holds.
func named[T runtime.Object](t *testing.T, folder, name string) T {
	t.Helper()
	return pick[T](t, folder, render(t, folder), name)
}

func pick[T runtime.Object](t *testing.T, from string, objects []runtime.Object, name string) T {
	t.Helper()
	for _, object := range objects {
		if o, ok := object.(T); ok {
			// A ConfigMap's name ends in a hash of its content.
			if got := any(o).(metav1.Object).GetName(); got == name || name != "" && strings.HasPrefix(got, name+"-") && fmt.Sprintf("%T", o) == "*v1.ConfigMap" {
				return o
			}
		}
	}
	t.Fatalf("%s holds no %T named %s", from, *new(T), name)
	return *new(T)
}

// files returns the manifests and other YAML files below a folder, by path. That
// they are read here makes the test's cached result depend on them.
func files(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (path == "charts" || path == "mixin") {
			return fs.SkipDir // templates, and rules of Prometheus
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		found[filepath.ToSlash(path)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// manifests returns the objects in the files below a folder that kubectl apply
// --filename takes, by path: all but kustomizations, patches and kubeconfigs.
func manifests(t *testing.T, folder string) map[string][]runtime.Object {
	t.Helper()
	found := map[string][]runtime.Object{}
	for path, text := range files(t, folder) {
		switch name := filepath.Base(path); {
		case name == "kustomization.yaml", strings.HasSuffix(name, "-patch.yaml"), strings.Contains(path, "/fleet/"):
			continue
		}
		objects, err := decode(text)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found[path] = objects
	}
	return found
}
