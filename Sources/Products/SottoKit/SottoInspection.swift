import ConversationEngine

extension Sotto {
  /// What a search of a server for this profile's doings is made with. Not part of the interface.
  package func traces() throws(SottoError) -> [ConversationEngine.Trace] { try query { $0.traces } }
}
