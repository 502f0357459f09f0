package fleet

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// dirProvider describes one cluster per file of a directory.
type dirProvider struct{ value, path string }

func (p *dirProvider) String() string { return p.value }

func (p *dirProvider) NewScanner() Scanner {
	return &dirScanner{path: p.path, files: map[string]*kubeconfigFile{}}
}

type dirScanner struct {
	path   string
	listed bool                       // at least once
	files  map[string]*kubeconfigFile // by file name
}

// scan returns what the files say. A directory that cannot be read says nothing
// about its files, so they stay as they were.
func (s *dirScanner) Scan() []Description {
	var findings []Description
	names, err := s.list()
	if err != nil {
		findings = append(findings, Description{Source: "directory " + s.path, Err: err})
	} else {
		for name := range names {
			if s.files[name] == nil {
				d := newKubeconfigFile(chooseOnly(clusterName(name)), filepath.Join(s.path, name))
				// A file that turns up later is perhaps being copied.
				d.polled = s.listed
				s.files[name] = d
			}
		}
		s.listed = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		d := s.files[name]
		if err != nil {
			findings = append(findings, d.findings...)
			continue
		}
		found := d.scan(names[name])
		if d.gone && !names[name] {
			delete(s.files, name)
			continue
		}
		for i := range found {
			found[i].Name = clusterName(name) // also of one that cannot be parsed
		}
		findings = append(findings, found...)
	}
	return findings
}

// list returns the files that may be kubeconfigs. Links to files count as
// files, because a mounted Secret consists of such.
func (s *dirScanner) list() (map[string]bool, error) {
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return nil, bare(err)
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || ignored(name) {
			continue
		}
		if info, err := os.Stat(filepath.Join(s.path, name)); err == nil && info.IsDir() {
			continue
		}
		names[name] = true
	}
	return names, nil
}

// ignored says whether a file is hidden (also the "..data" of a mounted Secret)
// or an editor's.
func ignored(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
		return true
	}
	switch filepath.Ext(name) {
	case ".swp", ".swx", ".tmp":
		return true
	}
	return strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// clusterName returns the name of the cluster that a file describes.
func clusterName(file string) string {
	switch ext := filepath.Ext(file); ext {
	case ".yaml", ".yml", ".kubeconfig", ".conf":
		return strings.TrimSuffix(file, ext)
	}
	return file
}

// chooseOnly returns a function that picks the current or else the only context
// and calls its cluster name.
func chooseOnly(name string) func(*clientcmdapi.Config) []choice {
	return func(cfg *clientcmdapi.Config) []choice {
		c := choice{context: cfg.CurrentContext, name: name}
		if c.context == "" && len(cfg.Contexts) == 1 {
			for only := range cfg.Contexts {
				c.context = only
			}
		}
		switch {
		case c.context == "":
			c.err = fmt.Errorf("has no current-context, but %s; set current-context", listContexts(cfg))
		case cfg.Contexts[c.context] == nil:
			c.err = fmt.Errorf("is the current-context but does not exist; the file has %s", listContexts(cfg))
		}
		return []choice{c}
	}
}
