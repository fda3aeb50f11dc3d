"""WORDS"""
