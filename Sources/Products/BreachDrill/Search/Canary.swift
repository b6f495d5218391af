import Foundation

/// A value that stands nowhere else: wherever it is found, it has got there from the one who made it.
package struct Canary: Sendable {
  /// What may become of it on a server.
  package enum Rule: String, Codable, Sendable {
    /// No server ever sees it, in any form.
    case never
    /// The server is shown it in a request: it crosses TLS and passes through memory, and is kept nowhere.
    case inFlight = "in flight"
  }

  /// What it is, for the report: "text", "MLS group id".
  package var kind: String
  package var rule: Rule
  /// The value; for a text each of its normal forms, of which programs pick one or the other.
  package var variants: [[UInt8]]
  /// The same texts as UTF-16 code units; for bytes that are no text nil.
  package var codeUnits: [[UInt16]]?

  package init(_ kind: String, text: String, rule: Rule = .never) {
    let composed = text.precomposedStringWithCanonicalMapping
    let decomposed = text.decomposedStringWithCanonicalMapping
    var texts: [String] = []
    // Strings that differ only in their normal form are equal, so that it is their bytes which are compared.
    for form in [text, composed, decomposed] where !texts.contains(where: { $0.utf8.elementsEqual(form.utf8) }) { texts.append(form) }
    self.kind = kind
    self.rule = rule
    variants = texts.map { Array($0.utf8) }
    codeUnits = texts.map { Array($0.utf16) }
  }

  package init(_ kind: String, bytes: [UInt8], rule: Rule = .never) {
    self.kind = kind
    self.rule = rule
    variants = [bytes]
    codeUnits = nil
  }
}
