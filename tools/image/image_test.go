package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var testOptions = options{name: "registry.example/fairlead", version: "v1.2.3", revision: "abc", created: time.Unix(1700000000, 0).UTC(), platforms: "amd64"}

// read returns the files of a tar by name, and its headers.
func read(t *testing.T, text []byte) (map[string][]byte, map[string]*tar.Header) {
	t.Helper()
	files, headers := map[string][]byte{}, map[string]*tar.Header{}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		header, err := r.Next()
		if err == io.EOF {
			return files, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		headers[header.Name] = header
	}
}

// blob returns what a descriptor names, and fails if it is something else.
func blob(t *testing.T, files map[string][]byte, d descriptor, into any) []byte {
	t.Helper()
	text, ok := files["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
	if !ok || digestOf(text) != d.Digest || len(text) != d.Size {
		t.Fatalf("%s: there is no such blob, or it is another one", d.Digest)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

// open follows an archive down to the files of the image for a processor.
func open(t *testing.T, text []byte, arch string) (configFile, map[string][]byte, map[string]*tar.Header) {
	t.Helper()
	files, _ := read(t, text)
	var entry, top index
	if err := json.Unmarshal(files["index.json"], &entry); err != nil {
		t.Fatal(err)
	}
	blob(t, files, entry.Manifests[0], &top)
	i := slices.IndexFunc(top.Manifests, func(d descriptor) bool { return d.Platform.Architecture == arch })
	var m manifest
	var c configFile
	blob(t, files, top.Manifests[i], &m)
	blob(t, files, m.Config, &c)
	z, err := gzip.NewReader(bytes.NewReader(blob(t, files, m.Layers[0], nil)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(plain) != c.RootFS.DiffIDs[0] {
		t.Error("the layer is not that of the configuration")
	}
	content, headers := read(t, plain)
	return c, content, headers
}

func small(t *testing.T, files ...file) layer {
	t.Helper()
	l, err := newLayer(testOptions.created, files)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Nothing in an archive is by chance, or of the time and place of the build.
func TestArchiveIsReproducible(t *testing.T) {
	a, b := file{path: "a/b/c", text: []byte("c")}, file{path: "var/lib/fairlead/", owner: user}
	one, digest, err := archive(testOptions, []image{{"amd64", small(t, a, b)}, {"arm64", small(t, a)}})
	if err != nil {
		t.Fatal(err)
	}
	two, again, err := archive(testOptions, []image{{"amd64", small(t, b, a)}, {"arm64", small(t, a)}})
	if err != nil || digest != again || !bytes.Equal(one, two) {
		t.Errorf("made twice: %s and %s, %v", digest, again, err)
	}
	_, _, headers := open(t, one, "amd64")
	if got := slices.Sorted(maps.Keys(headers)); !slices.Equal(got, []string{"a/", "a/b/", "a/b/c", "var/", "var/lib/", "var/lib/fairlead/"}) {
		t.Errorf("files %v", got)
	}
	for name, h := range headers {
		if !h.ModTime.Equal(testOptions.created) || h.Uname != "" || (h.Uid == user) != (name == b.path) {
			t.Errorf("%s: %+v", name, h)
		}
	}
	other := testOptions
	other.revision = "def"
	if _, changed, err := archive(other, []image{{"amd64", small(t, a, b)}, {"arm64", small(t, a)}}); err != nil || changed == digest {
		t.Errorf("another commit has the same digest, %v", err)
	}
}

// instruction returns the arguments of an instruction in the last stage of deploy/Dockerfile.
func instruction(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	last := string(text)[strings.LastIndex(string(text), "\nFROM "):]
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^`+name+` (.*)$`).FindAllStringSubmatch(last, -1) {
		found = append(found, m[1])
	}
	return found
}

// The archive's image is started as that of the Dockerfile is.
func TestImageIsThatOfTheDockerfile(t *testing.T) {
	c := testOptions.config()
	one := func(name string) string { return strings.Join(instruction(t, name), " ") }
	if c.User != one("USER") || c.WorkingDir != one("WORKDIR") || `["`+strings.Join(c.Entrypoint, `","`)+`"]` != one("ENTRYPOINT") {
		t.Errorf("%+v", c)
	}
	if ports := slices.Sorted(maps.Keys(c.ExposedPorts)); strings.ReplaceAll(strings.Join(ports, " "), "/tcp", "") != one("EXPOSE") {
		t.Errorf("ports %v", ports)
	}
	if _, ok := c.Volumes[one("VOLUME")]; !ok {
		t.Errorf("volumes %v", c.Volumes)
	}
	text, err := os.ReadFile("../../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range regexp.MustCompile(`(org\.opencontainers\.image\.\w+)="([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		said[m[1]] = true
		if got := c.Labels[m[1]]; got != m[2] && !strings.HasPrefix(m[2], "$") {
			t.Errorf("label %s is %q, in the Dockerfile %q", m[1], got, m[2])
		}
	}
	for label := range c.Labels {
		if !said[label] {
			t.Errorf("the Dockerfile has no label %s", label)
		}
	}
}

var allPlatforms = flag.Bool("all-platforms", false, "build the image of each processor, which takes minutes; else only that of this one")

// machines are the processors of programs, as their ELF headers have them.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// The real image: built twice it is the same, it is small, holds what the Dockerfile copies,
// and its program is for the right processor and runs.
func TestRealImage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program: skipped with -short")
	}
	o := testOptions
	o.root, o.platforms = "../..", runtime.GOARCH
	if *allPlatforms {
		o.platforms = "amd64,arm64"
	}
	var archives [2][]byte
	for i := range archives {
		t.Setenv("TMPDIR", t.TempDir()) // a path that is in the image makes it another one
		images, err := o.build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		const most = 30e6
		for _, one := range images {
			size := len(one.layer.compressed)
			if t.Logf("the image for %s has %.1f MB", one.arch, float64(size)/1e6); size > most {
				t.Errorf("that is more than %.1f MB", most/1e6)
			}
		}
		if archives[i], _, err = archive(o, images); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("built twice, the images differ")
	}
	for arch := range strings.SplitSeq(o.platforms, ",") {
		_, files, _ := open(t, archives[0], arch)
		program, err := elf.NewFile(bytes.NewReader(files["fairlead"]))
		if err != nil || program.Machine != machines[arch] {
			t.Errorf("the program of the image for %s: %+v, %v", arch, program, err)
		}
	}
	_, files, headers := open(t, archives[0], runtime.GOARCH)
	for _, copied := range instruction(t, "COPY") {
		destination := strings.TrimPrefix(copied[strings.LastIndex(copied, " ")+1:], "/")
		if _, ok := headers[destination]; !ok {
			if _, ok := headers[destination+"/"]; !ok {
				t.Errorf("the image has no %s", destination)
			}
		}
	}
	if !bytes.HasPrefix(files["etc/ssl/certs/ca-certificates.crt"], []byte("-----BEGIN CERTIFICATE-----\n")) {
		t.Error("the image knows no certificate authorities")
	}
	var sbom struct {
		Packages []struct{ Name string }
	}
	if err := json.Unmarshal(files["licenses/fairlead.spdx.json"], &sbom); err != nil || len(sbom.Packages) < 50 {
		t.Errorf("%d packages, %v", len(sbom.Packages), err)
	}
	program := filepath.Join(t.TempDir(), "fairlead")
	if err := os.WriteFile(program, files["fairlead"], 0o700); err != nil {
		t.Fatal(err)
	}
	version, err := output(t.Context(), path.Dir(program), nil, program, "version")
	if err != nil || !strings.Contains(string(version), "v1.2.3") || !strings.Contains(string(version), "abc") {
		t.Errorf("%s, %v", version, err)
	}
}
