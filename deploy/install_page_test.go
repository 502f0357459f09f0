package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

const installPage = "../docs/install.md"

// Each piece of YAML on the page is accepted as values of the chart, together with what the
// page begins with, and the program accepts what comes of it.
func TestValuesOnThePage(t *testing.T) {
	chartFiles(t)
	helm := testhelm.Require(t)
	count := 0
	for _, match := range yamlBlock.FindAllStringSubmatch(read(t, installPage), -1) {
		values := strings.ReplaceAll("\n"+match[2], "\n"+match[1], "\n")
		chart := "fairlead"
		if strings.HasPrefix(values, "\n# member.yaml") {
			chart = "fairlead-member"
		}
		text, err := rendering{chart: chart, values: values}.template(t.Context(), helm)
		if err != nil {
			t.Errorf("%v in\n%s", err, values)
			continue
		}
		for _, object := range documents(t, text) {
			data, _ := object.Object["data"].(map[string]any)
			if file, ok := data["fairlead.yaml"].(string); ok {
				count++
				configurationIsValid(t, file)
			}
		}
	}
	if count < 8 {
		t.Errorf("the page shows %d values; are they written otherwise now?", count)
	}
}

// The commands of the page that Helm runs do what they say, in the order of the page, on a
// real API server.
func TestCommandsOnThePage(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	r := newRelease(t, hub)
	command := regexp.MustCompile(`(?m)^ *helm (install|upgrade|uninstall) (.*)$`)
	dir := t.TempDir()
	for _, match := range yamlBlock.FindAllStringSubmatch(read(t, installPage), -1) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(match[2]), "# "); ok {
			name, _, _ = strings.Cut(name, "\n")
			text := strings.ReplaceAll("\n"+match[2], "\n"+match[1], "\n")
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	ran := map[string]bool{}
	for _, m := range command.FindAllStringSubmatch(read(t, installPage), -1) {
		if strings.Contains(m[2], "fairlead-member") || strings.Contains(m[2], "--take-ownership") {
			continue // in other clusters: TestMemberChartIsInstalledAndRemoved, TestFromManifestsToChart
		}
		ran[m[1]] = true
		arguments := strings.NewReplacer("deploy/charts", "charts", "--values=", "--values="+dir+"/").Replace(m[2])
		args := append([]string{m[1]}, strings.Fields(arguments)...)
		if _, err := testhelm.Run(r.ctx, r.program, append(args, "--kubeconfig="+r.kubeconfig)...); err != nil {
			t.Fatalf("%s: %v", installPage, err)
		}
		if m[1] != "uninstall" {
			o := r.deployment()
			if got := o.Spec.Template.Spec.Containers[0].Image; got != "registry.example/fairlead:v0.2.0" {
				t.Errorf("%s: helm %s: the image is %s", installPage, m[1], got)
			}
			r.admits(o)
		}
	}
	if len(ran) != 3 {
		t.Errorf("the page has commands to %v only", ran)
	}
}
