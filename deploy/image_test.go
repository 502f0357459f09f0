package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestImageFitsThePod(t *testing.T) {
	text := read(t, "Dockerfile")
	stages := regexp.MustCompile(`(?m)^FROM .*$`).FindAllStringIndex(text, -1)
	last := text[stages[len(stages)-1][0]:]
	d, c := pod(t, "base")
	sc := d.Spec.Template.Spec.SecurityContext
	for _, line := range []string{
		"FROM scratch",
		fmt.Sprintf("USER %d:%d", *sc.RunAsUser, *sc.RunAsGroup),
		`ENTRYPOINT ["/fairlead"]`,
		"COPY --from=build /out/licenses /licenses",
	} {
		if !strings.Contains(last, line+"\n") {
			t.Errorf("the image's last stage has no line %q", line)
		}
	}
	volume := regexp.MustCompile(`(?m)^VOLUME (.*)$`).FindStringSubmatch(last)
	if volume == nil || !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == volume[1] && !m.ReadOnly }) {
		t.Errorf("the image's volume %v is not mounted", volume)
	}
	if c.Args[0] != "run" || len(c.Command) > 0 {
		t.Errorf("the container runs %v %v", c.Command, c.Args)
	}
	for _, label := range []string{"title", "description", "source", "documentation", "licenses", "version", "revision", "created"} {
		if !regexp.MustCompile(`org\.opencontainers\.image\.` + label + `="[^"]+"`).MatchString(last) {
			t.Errorf("the image has no label %s", label)
		}
	}
}

// What the image is made from cannot be exchanged behind its name, and is what go.mod
// asks for.
func TestImageIsMadeFromWhatIsPinned(t *testing.T) {
	text := read(t, "Dockerfile")
	if strings.Contains(text, "# syntax=") {
		t.Error("a frontend is one more image that is fetched")
	}
	args := map[string]string{}
	for _, arg := range regexp.MustCompile(`(?m)^ARG (\w+)=(\S+)$`).FindAllStringSubmatch(text, -1) {
		args["${"+arg[1]+"}"] = arg[2]
	}
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$`)
	for _, from := range regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`).FindAllStringSubmatch(text, -1) {
		image := from[1]
		if args[image] != "" {
			image = args[image]
		}
		if image != "scratch" && !pinned.MatchString(image) {
			t.Errorf("%s is not pinned by a digest", image)
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if !strings.Contains(args["${GO_IMAGE}"], "/golang:"+version[1]+".") {
		t.Errorf("%s is not Go %s", args["${GO_IMAGE}"], version[1])
	}
	if !slices.Contains(strings.Split(read(t, "../.dockerignore"), "\n"), "!LICENSE") {
		t.Error("the licence does not reach the build")
	}
}

// All that the program is built from reaches the build.
func TestImageHasTheProgramsFolders(t *testing.T) {
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}}", "../cmd/fairlead").Output()
	if err != nil {
		t.Fatal(err)
	}
	sent := strings.Split(read(t, "../.dockerignore"), "\n")
	for pkg := range strings.Lines(string(listed)) {
		path, ours := strings.CutPrefix(strings.TrimSpace(pkg), "github.com/fairlead-dev/fairlead/")
		if folder, _, _ := strings.Cut(path, "/"); ours && !slices.Contains(sent, "!"+folder) {
			t.Errorf("%s is not sent to the builder", path)
		}
	}
}

// The variables that the image's build sets are there: the linker says nothing of
// those it does not find.
func TestVersionIsStamped(t *testing.T) {
	sources, err := filepath.Glob("../cmd/fairlead/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var program strings.Builder
	for _, source := range sources {
		program.WriteString(read(t, source))
	}
	set := regexp.MustCompile(`-X main\.(\w+)=`).FindAllStringSubmatch(read(t, "Dockerfile"), -1)
	if len(set) == 0 {
		t.Fatal("none is set")
	}
	for _, name := range set {
		if !regexp.MustCompile(`(?m)^(var\s+|\t)` + name[1] + `\b`).MatchString(program.String()) {
			t.Errorf("cmd/fairlead has no variable %s", name[1])
		}
	}
}

// make image uses what there is to build images, and says what is missing.
func TestMakeImage(t *testing.T) {
	makePath, err := exec.LookPath("make")
	if err != nil {
		t.Skip("there is no make")
	}
	run := func(t *testing.T, tools ...string) (stdout, stderr string, err error) {
		t.Helper()
		dir := t.TempDir()
		for _, tool := range tools {
			if err := os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\necho ran "+tool+" \"$@\"\n"), 0o700); err != nil { //nolint:gosec // A program.
				t.Fatal(err)
			}
		}
		shell, err := exec.LookPath("bash")
		if err != nil {
			t.Skip("there is no bash")
		}
		command := exec.CommandContext(t.Context(), makePath, "--no-print-directory", "--silent", "image", "SHELL="+shell,
			"IMAGE=registry.example/fairlead", "VERSION=v1.2.3", "REVISION=abc", "CREATED=2026-01-02T03:04:05Z")
		command.Dir = ".."
		command.Env = []string{"PATH=" + dir, "HOME=" + t.TempDir()}
		var out, errors bytes.Buffer
		command.Stdout, command.Stderr = &out, &errors
		err = command.Run()
		return out.String(), errors.String(), err
	}
	for _, tool := range []string{"docker", "podman", "buildah"} {
		got, _, err := run(t, tool)
		want := "ran " + tool + " build --file deploy/Dockerfile --build-arg VERSION=v1.2.3 --build-arg REVISION=abc --build-arg CREATED=2026-01-02T03:04:05Z --tag registry.example/fairlead:v1.2.3 .\n"
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tool, err, diff)
		}
	}
	if _, got, err := run(t); err == nil || !strings.Contains(got, "install one of docker, podman and buildah") {
		t.Errorf("without any: %v\n%s", err, got)
	}
}
