package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What is told of the bill itself: CycloneDX 1.5, as JSON.
const (
	billFormat  = "CycloneDX"
	billVersion = "1.5"
)

// bill is what a binary was made from.
type bill struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Serial     string      `json:"serialNumber"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type     string     `json:"type"`
	Ref      string     `json:"bom-ref"`
	Name     string     `json:"name"`
	Version  string     `json:"version,omitempty"`
	Hashes   []checksum `json:"hashes,omitempty"`
	Licences []licence  `json:"licenses"`
	URL      string     `json:"purl,omitempty"`
	Facts    []fact     `json:"properties,omitempty"`
}

type checksum struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// licence is one name of SPDX, or an expression of several.
type licence struct {
	One        *one   `json:"license,omitempty"`
	Expression string `json:"expression,omitempty"`
}

type one struct {
	ID string `json:"id"`
}

type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// bill lists what a binary was linked from, by what the toolchain has noted in it.
func (r *release) bill(b *binary, notices []notice) ([]byte, error) {
	sum := sha256.Sum256(b.content)
	own := component{Type: "application", Name: b.info.Main.Path, Version: b.version(), Ref: packageURL(b.info.Main.Path, b.version()),
		URL: packageURL(b.info.Main.Path, b.version()), Hashes: []checksum{{"SHA-256", hex.EncodeToString(sum[:])}}, Licences: licences("Apache-2.0")}
	for _, s := range b.info.Settings {
		if strings.HasPrefix(s.Key, "vcs") || strings.HasPrefix(s.Key, "GO") || s.Key == "CGO_ENABLED" {
			own.Facts = append(own.Facts, fact{"freshet:build:" + s.Key, s.Value})
		}
	}
	all := bill{Format: billFormat, Spec: billVersion, Serial: serial(sum), Version: 1, Metadata: metadata{r.date.Format(time.RFC3339), own}}
	for _, n := range notices {
		c := component{Type: "library", Name: n.Path, Version: n.Version, Ref: packageURL(n.Path, n.Version), URL: packageURL(n.Path, n.Version),
			Licences: licences(n.licence)}
		if n.Sum != "" {
			tree, err := treeSum(n.Sum)
			if err != nil {
				return nil, fmt.Errorf("read the sum of %s: %w", n.Path, err)
			}
			c.Hashes = []checksum{{"SHA-256", tree}}
		}
		all.Components = append(all.Components, c)
	}
	all.Components = append(all.Components, component{Type: "machine-learning-model", Ref: "model:builtin", Name: "builtin, distilled from all-MiniLM-L6-v2",
		Licences: licences("Apache-2.0")})
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(all); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func licences(expression string) []licence {
	if strings.Contains(expression, " ") {
		return []licence{{Expression: expression}}
	}
	return []licence{{One: &one{expression}}}
}

// packageURL names a module as other tools do: pkg:golang/path@version.
func packageURL(module, version string) string {
	return "pkg:golang/" + module + "@" + url.QueryEscape(version)
}

// treeSum is the sum of go.sum, which covers every file of a module, in the digits that bills are written in.
func treeSum(sum string) (string, error) {
	encoded, ok := strings.CutPrefix(sum, "h1:")
	if !ok {
		return "", fmt.Errorf("sum %q is of another kind than h1", sum)
	}
	bytes, err := base64.StdEncoding.DecodeString(encoded)
	return hex.EncodeToString(bytes), err
}

// serial is the number of a bill: made from the binary, as a UUID of version 8, so that the same binary has the same.
func serial(sum [sha256.Size]byte) string {
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
