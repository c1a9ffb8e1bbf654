package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutant is one change of one file.
type mutant struct {
	file       string // from the root of the tree
	start, end int    // octets to be replaced
	text       string // by this
	line       int
	function   string // that it is in; empty: none
	before     string // the change in words, for people and for equivalent.txt
	after      string
}

// key names a mutant by what it does, whatever line it is on: as it is printed, without the line.
func (m mutant) key() string {
	return fmt.Sprintf("%s %s: %s -> %s", m.file, m.function, m.before, m.after)
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d %s: %s -> %s", m.file, m.line, m.function, m.before, m.after)
}

// applied returns src with the change made.
func (m mutant) applied(src []byte) []byte {
	return slices.Concat(src[:m.start], []byte(m.text), src[m.end:])
}

// finder walks over one file.
type finder struct {
	fset     *token.FileSet
	file     string
	src      []byte
	next     map[string]string // a constant of an enumeration, and the one that comes after it
	function string
	results  []*ast.FuncType // of the functions around, the innermost last
	found    []mutant
}

// mutants returns all mutants of the package in dir.
func mutants(dir string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	var finders []*finder
	next := map[string]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		enumerations(file, next)
		files = append(files, file)
		finders = append(finders, &finder{fset: fset, file: path, src: src, next: next})
	}
	var all []mutant
	for i, f := range finders {
		f.walk(files[i])
		all = append(all, f.found...)
	}
	return all, nil
}

// enumerations notes which constant follows on which, in declarations of several
// constants of one type of the package's own.
func enumerations(file *ast.File, next map[string]string) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		var names []string
		typed := false
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			typed = typed || v.Type != nil
			if n := v.Names[0].Name; n != "_" && !strings.HasSuffix(n, "Count") {
				names = append(names, n)
			}
		}
		if !typed || len(names) < 2 {
			continue
		}
		for i, n := range names {
			next[n] = names[(i+1)%len(names)]
		}
	}
}

func (f *finder) walk(file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Body == nil {
				continue
			}
			f.function = d.Name.Name
			f.results = []*ast.FuncType{d.Type}
			f.node(d.Body)
		case *ast.GenDecl:
			if d.Tok != token.CONST && d.Tok != token.VAR {
				continue
			}
			for _, s := range d.Specs {
				v := s.(*ast.ValueSpec)
				f.function = v.Names[0].Name
				for _, e := range v.Values {
					f.node(e)
				}
			}
		}
	}
}

// node applies the operators to n and to all within.
func (f *finder) node(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			f.results = append(f.results, n.Type)
			f.node(n.Body)
			f.results = f.results[:len(f.results)-1]
			return false
		case *ast.IfStmt:
			f.condition(n.Cond)
		case *ast.BinaryExpr:
			f.binary(n)
		case *ast.BasicLit:
			f.literal(n)
		case *ast.Ident:
			f.name(n)
		case *ast.SelectorExpr: // the selected name is another package's or a field
			f.node(n.X)
			return false
		case *ast.KeyValueExpr:
			if _, ok := n.Key.(*ast.Ident); ok {
				f.node(n.Value)
				return false
			}
		case *ast.CompositeLit:
			f.elements(n.Elts)
		case *ast.CallExpr:
			f.call(n)
		case *ast.BlockStmt:
			f.statements(n.List, len(f.results) > 0)
		case *ast.CaseClause:
			f.statements(n.Body, false)
		case *ast.SwitchStmt:
			f.cases(n)
		case *ast.IncDecStmt:
			f.replace(n.TokPos, n.TokPos+2, map[token.Token]string{token.INC: "--", token.DEC: "++"}[n.Tok])
		case *ast.AssignStmt:
			if to, ok := swapped[n.Tok]; ok {
				f.replace(n.TokPos, n.TokPos+token.Pos(len(n.Tok.String())), to)
			}
		case *ast.ReturnStmt:
			f.returned(n)
		}
		return true
	})
}

// swapped are operators and what is put in their place.
var swapped = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*",
	token.SHL: ">>", token.SHR: "<<", token.AND: "|", token.OR: "&", token.XOR: "&", token.AND_NOT: "|",
	token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.AND_NOT_ASSIGN: "|=", token.OR_ASSIGN: "&=",
}

// negated are comparisons and their opposites, where swapped only moves the bound.
var negated = map[token.Token]string{token.LSS: ">=", token.LEQ: ">", token.GTR: "<=", token.GEQ: "<"}

func (f *finder) binary(n *ast.BinaryExpr) {
	for _, to := range []string{swapped[n.Op], negated[n.Op]} {
		if to != "" {
			f.replace(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), to)
		}
	}
	if n.Op == token.LAND || n.Op == token.LOR { // one side is not looked at
		f.replace(n.Pos(), n.Y.Pos(), "")
		f.replace(n.X.End(), n.End(), "")
	}
}

// condition negates what no operator does.
func (f *finder) condition(e ast.Expr) {
	if _, ok := e.(*ast.BinaryExpr); !ok {
		f.replace(e.Pos(), e.End(), "!("+f.source(e)+")")
	}
}

func (f *finder) literal(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	v, err := strconv.ParseInt(n.Value, 0, 64)
	if err != nil {
		return
	}
	f.replace(n.Pos(), n.End(), strconv.FormatInt(v+1, 10))
	if v > 0 {
		f.replace(n.Pos(), n.End(), strconv.FormatInt(v-1, 10))
	}
}

func (f *finder) name(n *ast.Ident) {
	switch to, ok := f.next[n.Name]; {
	case ok:
		f.replace(n.Pos(), n.End(), to)
	case n.Name == "true":
		f.replace(n.Pos(), n.End(), "false")
	case n.Name == "false":
		f.replace(n.Pos(), n.End(), "true")
	}
}

// elements leaves fields of a literal out, and swaps elements of a list.
func (f *finder) elements(list []ast.Expr) {
	for i, e := range list {
		if _, ok := e.(*ast.KeyValueExpr); ok {
			end := e.End()
			if i+1 < len(list) {
				end = list[i+1].Pos()
			} else if f.src[f.offset(end)] == ',' {
				end++
			}
			f.replace(e.Pos(), end, "")
			continue
		}
		if i == 0 {
			continue
		}
		if a, b := f.source(list[i-1]), f.source(e); a != b {
			between := string(f.src[f.offset(list[i-1].End()):f.offset(e.Pos())])
			f.replace(list[i-1].Pos(), e.End(), b+between+a)
		}
	}
}

// call swaps min and max, and takes actions from the cells of a table.
func (f *finder) call(n *ast.CallExpr) {
	fun, ok := n.Fun.(*ast.Ident)
	if !ok {
		return
	}
	switch fun.Name {
	case "min":
		f.replace(fun.Pos(), fun.End(), "max")
	case "max":
		f.replace(fun.Pos(), fun.End(), "min")
	case "to":
		for i := 1; i < len(n.Args); i++ {
			f.replace(n.Args[i-1].End(), n.Args[i].End(), "")
		}
		f.replace(n.Pos(), n.End(), "never")
	}
}

// statements takes statements out, one at a time. What they use stays in use. last
// says that the list may be a function's, whose last return cannot go.
func (f *finder) statements(list []ast.Stmt, last bool) {
	for i, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.ReturnStmt:
			if last && i == len(list)-1 && len(s.Results) > 0 {
				continue
			}
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.BranchStmt:
		default:
			continue
		}
		f.replace(s.Pos(), s.End(), "if false { "+f.source(s)+" }")
	}
}

// cases drops each case of a switch, and each value of a case.
func (f *finder) cases(n *ast.SwitchStmt) {
	for _, s := range n.Body.List {
		c := s.(*ast.CaseClause)
		f.replace(c.Pos(), c.End(), "")
		for i, e := range c.List {
			if len(c.List) > 1 {
				from, to := e.Pos(), e.End()
				if i+1 < len(c.List) {
					to = c.List[i+1].Pos()
				} else {
					from = c.List[i-1].End()
				}
				f.replace(from, to, "")
			}
			if _, ok := e.(*ast.BinaryExpr); n.Tag == nil && !ok {
				f.condition(e)
			}
		}
	}
}

// returned returns no error where there is one, and the opposite of a truth.
func (f *finder) returned(n *ast.ReturnStmt) {
	results := f.results[len(f.results)-1].Results
	if results == nil || len(n.Results) == 0 {
		return
	}
	e := n.Results[len(n.Results)-1]
	of, ok := results.List[len(results.List)-1].Type.(*ast.Ident)
	switch src := f.source(e); {
	case !ok || len(n.Results) < results.NumFields():
	case of.Name == "error" && src != "nil":
		f.replace(e.Pos(), e.End(), "nil")
	case of.Name == "bool" && src != "true" && src != "false":
		if _, ok := e.(*ast.BinaryExpr); !ok {
			f.replace(e.Pos(), e.End(), "!("+src+")")
		}
	}
}

func (f *finder) offset(p token.Pos) int { return f.fset.Position(p).Offset }

func (f *finder) source(n ast.Node) string {
	return string(f.src[f.offset(n.Pos()):f.offset(n.End())])
}

// replace notes a mutant: what is from one position to the other becomes text. It is
// described by the lines that it is in, and by the one before if they are a word only,
// such as return.
func (f *finder) replace(from, to token.Pos, text string) {
	start, end := f.offset(from), f.offset(to)
	first := bytes.LastIndexByte(f.src[:start], '\n') + 1
	last := end + max(0, bytes.IndexByte(f.src[end:], '\n'))
	if !strings.Contains(words(f.src[first:last]), " ") {
		first = bytes.LastIndexByte(f.src[:first-1], '\n') + 1
	}
	f.found = append(f.found, mutant{
		file: f.file, start: start, end: end, text: text,
		line: f.fset.Position(from).Line, function: f.function,
		before: words(f.src[first:last]),
		after:  words(slices.Concat(f.src[first:start], []byte(text), f.src[end:last])),
	})
}

// words is source in one line.
func words(src []byte) string {
	s := strings.Join(strings.Fields(string(src)), " ")
	if s == "" {
		return "(nothing)"
	}
	return s
}
