import CryptoSuite

/// What a log or a failed assertion may show of values that hold secrets, names or texts: sizes and numbers.
extension Group: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "Group(epoch \(epoch), \(memberCount) members, own leaf \(ownLeafIndex.rawValue))" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension GroupArchive: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "GroupArchive(\(publicPart.count) and \(secretPart.byteCount) bytes)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension ApplicationMessage: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String {
    "ApplicationMessage(epoch \(epoch), from leaf \(sender.rawValue), \(plaintext.count) bytes)"
  }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension MessageKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  var description: String { "MessageKey" }
  var debugDescription: String { description }
  var customMirror: Mirror { Mirror(self, children: []) }
}
