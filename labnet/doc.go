// Package labnet makes throwaway network namespaces, veth pairs and bridges for
// tests, and always takes them away again.
package labnet
