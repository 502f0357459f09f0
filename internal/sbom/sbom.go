package sbom

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/notices"
)

const (
	noAssertion = "NOASSERTION"
	site        = "https://github.com/fairlead-dev/fairlead"
)

// Options say what the document is of.
type Options struct {
	// Program is the path of an executable that Go has built.
	Program string
	// Name, Version and Licence are of the program. Licence is an SPDX expression.
	Name, Version, Licence string
	// Created is what the document tells as its time: that of the commit, for documents
	// that can be made again.
	Created time.Time
	// Linked are the packages of the program, as notices.Linked returns them for its
	// operating system and processor. Their licences are told.
	Linked []notices.Package
	// Also are parts that go along with the program and are not linked into it.
	Also []Part
}

// Part is something that goes along with a program.
type Part struct{ Name, Version, Licence string }

// New returns the document of a program. It reads the program, and files with licences in
// the module cache.
func New(o Options) (*Document, error) {
	info, err := buildinfo.ReadFile(o.Program)
	if err != nil {
		return nil, fmt.Errorf("read what %s is made of: %w", o.Program, err)
	}
	text, err := os.ReadFile(o.Program)
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	platform := settings["GOOS"] + "-" + settings["GOARCH"]
	d := &Document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
		Name:              o.Name + "-" + o.Version + "-" + platform,
		DocumentNamespace: site + "/sbom/" + digest,
		CreationInfo:      CreationInfo{Created: o.Created.UTC().Truncate(time.Second), Creators: []string{"Organization: Fairlead", "Tool: fairlead-sbom"}},
	}
	program := newPackage(o.Name, o.Version, o.Licence, "APPLICATION")
	program.Checksums = []Checksum{{Algorithm: "SHA256", ChecksumValue: digest}}
	program.ExternalRefs = purl(info.Main.Path, o.Version)
	d.Packages = append(d.Packages, program)
	d.relate(d.SPDXID, "DESCRIBES", program.SPDXID)

	standard := newPackage("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "BSD-3-Clause", "LIBRARY")
	standard.ExternalRefs = purl("stdlib", standard.VersionInfo)
	d.add(program, standard)
	licences := map[string]notices.Module{}
	for _, p := range o.Linked {
		licences[p.Module.Path+"@"+p.Module.Version] = p.Module
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		known, ok := licences[module.Path+"@"+module.Version]
		if !ok {
			return nil, fmt.Errorf("%s %s is linked into %s, and not among the packages whose licences are known: they are of another commit or platform", module.Path, module.Version, o.Program)
		}
		ids, err := notices.Identify(known)
		if err != nil {
			return nil, err
		}
		part := newPackage(module.Path, module.Version, strings.Join(ids, " AND "), "LIBRARY")
		part.ExternalRefs, part.Comment = purl(module.Path, module.Version), "go.sum: "+module.Sum
		d.add(program, part)
	}
	for _, also := range o.Also {
		part := newPackage(also.Name, also.Version, also.Licence, "FILE")
		d.Packages = append(d.Packages, part)
		d.relate(d.SPDXID, "DESCRIBES", part.SPDXID)
	}
	return d, d.unique()
}

func (d *Document) add(program, part Package) {
	d.Packages = append(d.Packages, part)
	d.relate(program.SPDXID, "DEPENDS_ON", part.SPDXID)
}

func (d *Document) relate(from, how, to string) {
	d.Relationships = append(d.Relationships, Relationship{SPDXElementID: from, RelationshipType: how, RelatedSPDXElement: to})
}

// unique returns an error if two packages have one identifier.
func (d *Document) unique() error {
	var errs []error
	seen := map[string]bool{}
	for _, p := range d.Packages {
		if seen[p.SPDXID] {
			errs = append(errs, fmt.Errorf("two packages are %s", p.SPDXID))
		}
		seen[p.SPDXID] = true
	}
	return errors.Join(errs...)
}

// notOfID is what identifiers may not hold.
var notOfID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func newPackage(name, version, licence, purpose string) Package {
	return Package{
		SPDXID: "SPDXRef-Package-" + notOfID.ReplaceAllString(name+"-"+version, "-"), Name: name, VersionInfo: version, PrimaryPackagePurpose: purpose,
		DownloadLocation: noAssertion, LicenseConcluded: noAssertion, LicenseDeclared: licence, CopyrightText: noAssertion,
	}
}

// purl returns the package URL of a Go module: https://github.com/package-url/purl-spec.
func purl(module, version string) []ExternalRef {
	locator := "pkg:golang/" + module + "@" + strings.ReplaceAll(version, "+", "%2B")
	return []ExternalRef{{ReferenceCategory: "PACKAGE-MANAGER", ReferenceType: "purl", ReferenceLocator: locator}}
}
