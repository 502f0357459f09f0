package notices

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Package is one that is linked into the program.
type Package struct {
	Dir    string
	Module Module
}

// Module is where a package comes from.
type Module struct {
	Path    string
	Version string
	Dir     string // the root, above Dir of its packages or the same
}

// Linked returns the packages of other modules, and of Go itself, that the go
// command links into a program for the operating system and processor that
// GOOS and GOARCH name. dir is the folder of the module that the program is in.
func Linked(ctx context.Context, dir, program string) ([]Package, error) {
	command := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Dir,Standard,Module", program)
	command.Dir = dir
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("list what %s is made of: %w: %s", program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	root, err := goRoot(ctx)
	if err != nil {
		return nil, err
	}
	standard := Module{Path: "Go and its standard library", Version: runtime.Version(), Dir: root}
	packages := []Package{{Dir: root, Module: standard}}
	for decoder := json.NewDecoder(&stdout); ; {
		var p struct {
			Dir      string
			Standard bool
			Module   *struct {
				Path, Version, Dir string
				Main               bool
				Replace            *struct{ Path, Version string }
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what %s is made of: %w", program, err)
		}
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		m := Module{Path: p.Module.Path, Version: p.Module.Version, Dir: p.Module.Dir}
		if p.Module.Replace != nil {
			m.Path, m.Version = p.Module.Replace.Path, p.Module.Replace.Version
		}
		packages = append(packages, Package{Dir: p.Dir, Module: m})
	}
}

func goRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find Go's own licence: go env GOROOT: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}

// licence is one text, and what it is the licence of.
type licence struct {
	text string
	of   []string // module and version, and the folder in it if that is not the root
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents)([._-].*)?$`)

// Write writes the licences of packages, those of one module together.
func Write(w io.Writer, packages []Package) error {
	found := map[string]*licence{} // by text
	seen, licensed := map[string]bool{}, map[Module]bool{}
	for _, p := range packages {
		for dir := p.Dir; ; dir = filepath.Dir(dir) {
			if !seen[dir] {
				seen[dir] = true
				texts, err := licencesIn(dir)
				if err != nil {
					return fmt.Errorf("read the licences of %s: %w", p.Module.Path, err)
				}
				of, err := label(p.Module, dir)
				if err != nil {
					return err
				}
				for name, text := range texts {
					if err := recognise(name, text); err != nil {
						return fmt.Errorf("%s: %w", of, err)
					}
					if found[text] == nil {
						found[text] = &licence{text: text}
					}
					found[text].of = append(found[text].of, of)
					licensed[p.Module] = licensed[p.Module] || dir == p.Module.Dir && isLicence(name)
				}
			}
			if dir == p.Module.Dir || dir == filepath.Dir(dir) {
				break
			}
		}
		if !licensed[p.Module] {
			return fmt.Errorf("%s %s has no licence file in %s: find out its licence before it is shipped", p.Module.Path, p.Module.Version, p.Module.Dir)
		}
	}
	return print(w, found)
}

func print(w io.Writer, found map[string]*licence) error {
	var all []*licence
	for _, l := range found {
		slices.Sort(l.of)
		l.of = slices.Compact(l.of)
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *licence) int { return cmp.Or(cmp.Compare(a.of[0], b.of[0]), cmp.Compare(a.text, b.text)) })
	var b strings.Builder
	b.WriteString("This program is made of the following software, under the licences that follow each.\n")
	for _, l := range all {
		fmt.Fprintf(&b, "\n%s\n%s\n\n", strings.Repeat("=", 80), strings.Join(l.of, "\n"))
		if strings.Contains(flat(l.text), mozilla) {
			b.WriteString("Nothing of it was changed. Its source is what the go command gets of that name and version: go mod download PATH@VERSION.\n\n")
		}
		b.WriteString(l.text + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// label names a folder of a module, such as "k8s.io/klog/v2 v2.140.0".
func label(m Module, dir string) (string, error) {
	below, err := filepath.Rel(m.Dir, dir)
	if err != nil || strings.HasPrefix(below, "..") {
		return "", fmt.Errorf("a package of %s is in %s, outside of %s", m.Path, dir, m.Dir)
	}
	name := m.Path + " " + m.Version
	if below != "." {
		name += ", " + path.Join(filepath.ToSlash(below), "...")
	}
	return name, nil
}

// licencesIn returns the texts of a folder's licence files, by name.
func licencesIn(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts[e.Name()] = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	return texts, nil
}

// The kinds that ask for no more than to be told, by what their texts say.
var known = []string{
	"Apache License",
	"Redistribution and use in source and binary forms", // BSD
	"Permission is hereby granted, free of charge",      // MIT
	"to use, copy, modify, and/or distribute this",      // ISC
	"to use, copy, modify, and distribute this",
	mozilla,
}

// mozilla is the kind that asks to be told where the source is (section 3.2), which is
// of the files under it alone.
const mozilla = "Mozilla Public License Version 2.0"

// isLicence tells a licence from what only goes along with one.
func isLicence(name string) bool {
	kind := strings.ToLower(name)
	return strings.HasPrefix(kind, "licen") || strings.HasPrefix(kind, "copying")
}

// flat is a text on one line.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// recognise returns an error for a licence of none of the known kinds. Notices,
// lists of authors and grants of patents go along with one.
func recognise(name, text string) error {
	if !isLicence(name) {
		return nil
	}
	if slices.ContainsFunc(known, func(k string) bool { return strings.Contains(flat(text), k) }) {
		return nil
	}
	return fmt.Errorf("%s is no licence that is known to be free of further duties: read it, then add its kind, or do without the module", name)
}
