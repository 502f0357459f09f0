package fleet

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// choice is one context that a provider takes for a cluster, or why it cannot.
type choice struct {
	context, name string
	err           error
	// absent says that without this context there is no such cluster, rather
	// than one that is described badly.
	absent bool
}

// kubeconfigFile follows one kubeconfig, or several merged into one, together with
// the files they name.
type kubeconfigFile struct {
	paths  []string
	choose func(*clientcmdapi.Config) []choice
	// fallback returns the kubeconfig to use while there is none, or nil. It
	// may be nil itself.
	fallback func() *clientcmdapi.Config

	raw    digest // of the kubeconfigs that parsed was made from
	parsed parsed

	polled bool   // at least once
	last   digest // what the last poll read
	taken  digest // what findings were made from

	findings []Description
	gone     bool // findings were made when there was nothing to read
}

// parsed is what some kubeconfigs say.
type parsed struct {
	cfg    *clientcmdapi.Config // nil if broken or if there is none
	broken []Description        // the files that cannot be used
}

// content is what was read of a file.
type content struct {
	data []byte
	err  error
}

func newKubeconfigFile(choose func(*clientcmdapi.Config) []choice, paths ...string) *kubeconfigFile {
	return &kubeconfigFile{paths: paths, choose: choose}
}

// scan returns what the files say, as of the last time that two readings in
// a row, or the very first one, agreed. The files are not looked at if exists is
// false: then there are none.
func (d *kubeconfigFile) scan(exists bool) []Description {
	files, seen := d.read(exists)
	settled := !d.polled || seen == d.last
	d.polled, d.last = true, seen
	if settled && seen != d.taken {
		d.taken = seen
		d.findings = d.evaluate(files)
		d.gone = d.parsed.cfg == nil && len(d.parsed.broken) == 0
	}
	return d.findings
}

// read reads the kubeconfigs and, as far as they can be parsed, what they name.
func (d *kubeconfigFile) read(exists bool) (map[string]content, digest) {
	var (
		h     hasher
		found = make(map[string]content, len(d.paths))
	)
	for _, path := range d.paths {
		c := content{err: fs.ErrNotExist}
		if exists {
			c.data, c.err = readFile(path)
		}
		if errors.Is(c.err, fs.ErrNotExist) {
			continue
		}
		if d.fallback != nil && c.err == nil && len(bytes.TrimSpace(c.data)) == 0 {
			continue // to kubectl an empty file is none
		}
		h.add(path, c.data, c.err)
		found[path] = c
	}
	if raw := h.sum(); raw != d.raw || len(found) == 0 {
		d.raw, d.parsed = raw, d.parse(found)
	}
	files := make(map[string]content)
	if d.parsed.cfg != nil {
		for _, path := range references(d.parsed.cfg) {
			if _, ok := files[path]; ok {
				continue
			}
			c := content{}
			c.data, c.err = readFile(path)
			files[path] = c
			h.add(path, c.data, c.err)
		}
		if len(found) == 0 {
			// Its address comes from the environment, which does not change.
			h.add("fallback", nil, nil)
		}
	}
	return files, h.sum()
}

// parse decodes the kubeconfigs. One that is broken makes all of them
// unusable, as for kubectl: what it says could have come first.
func (d *kubeconfigFile) parse(found map[string]content) parsed {
	var (
		p    parsed
		cfgs []*clientcmdapi.Config
	)
	for _, path := range d.paths {
		c, ok := found[path]
		if !ok {
			continue
		}
		var cfg *clientcmdapi.Config
		if c.err == nil {
			cfg, c.err = parseKubeconfig(path, c.data)
		}
		if c.err != nil {
			p.broken = append(p.broken, Description{Source: "file " + path, Err: c.err})
			continue
		}
		cfgs = append(cfgs, cfg)
	}
	switch {
	case len(p.broken) > 0:
	case len(cfgs) > 0:
		p.cfg = mergeKubeconfigs(cfgs)
	case d.fallback != nil:
		p.cfg = d.fallback()
	}
	return p
}

// evaluate makes findings of what was read. A cluster that can no longer be
// described keeps its last good description; one that is no longer mentioned
// does not.
func (d *kubeconfigFile) evaluate(files map[string]content) []Description {
	source := "file " + strings.Join(d.paths, ", ")
	if d.parsed.cfg == nil && len(d.parsed.broken) == 0 {
		return []Description{{Source: source, Absent: true, Err: errors.New("does not exist or is empty")}}
	}
	good := make(map[string]Description, len(d.findings))
	var kept []Description
	for _, f := range d.findings {
		if f.Member != nil {
			good[f.Name] = f
			f.Err = nil
			kept = append(kept, f)
		}
	}
	if d.parsed.cfg == nil {
		return append(kept, d.parsed.broken...)
	}

	choices := d.choose(d.parsed.cfg)
	if len(choices) == 0 {
		return []Description{{Source: source, Err: errors.New("has no contexts")}}
	}
	findings := make([]Description, 0, len(choices))
	for _, c := range choices {
		f := Description{Source: source, Context: c.context, Name: c.name, Err: c.err, Absent: c.absent}
		if ctx := d.parsed.cfg.Contexts[c.context]; ctx != nil && ctx.LocationOfOrigin != "" {
			f.Source = "file " + ctx.LocationOfOrigin
		}
		if f.Err == nil {
			f.Member, f.Err = describe(d.parsed.cfg, files, f)
		}
		if f.Err != nil && !c.absent {
			f.Member = good[f.Name].Member
		}
		findings = append(findings, f)
	}
	return findings
}
